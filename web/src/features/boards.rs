//! The list of boards and the way to one by its name.

use chanterelle_core::base::{BoardName, BoardNameError};
use chanterelle_core::node::Command;
use chanterelle_core::view::BoardCard;
use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::hooks::use_navigate;

use super::paths::board_path;
use crate::i18n as t;
use crate::kit::{ago, alert, each, live};
use crate::state::{Client, Listing};

/// Asks for a name and leads to the board.
pub(crate) fn open_board() -> AnyView {
    let input = NodeRef::<html::Input>::new();
    let wrong = RwSignal::new(None::<(BoardNameError, String)>);
    let navigate = use_navigate();
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(input) = input.get() else { return };
        let name = input.value();
        match BoardName::new(name.trim()) {
            Ok(name) => navigate(&board_path(&name), Default::default()),
            Err(error) => {
                wrong.set(Some((error, name)));
                let _ = input.focus();
            }
        }
    };
    html::form()
        .class("open-board")
        .attr("novalidate", "")
        .on(ev::submit, submit)
        .child((
            html::label().attr("for", "board-name").child(t::BOARD_NAME),
            html::div().class("joined").child((
                html::span().class("slash").attr("aria-hidden", "true").child("/b/"),
                html::input()
                    .id("board-name")
                    .r#type("text")
                    .autocomplete("off")
                    .attr("autocapitalize", "none")
                    .attr("spellcheck", "false")
                    .attr("enterkeyhint", "go")
                    .attr("aria-invalid", live(move || wrong.with(Option::is_some).then_some("true")))
                    .attr(
                        "aria-describedby",
                        live(move || wrong.with(Option::is_some).then_some("board-name-wrong")),
                    )
                    .on(ev::input, move |_| {
                        if wrong.with_untracked(Option::is_some) {
                            wrong.set(None);
                        }
                    })
                    .node_ref(input),
                html::button().r#type("submit").class("main").child(t::OPEN_BOARD),
            )),
            html::div()
                .id("board-name-wrong")
                .child(live(move || wrong.get().map(|(error, name)| wrong_board_name(error, &name)))),
        ))
        .into_any()
}

/// Says what is wrong with a board's name, and offers the nearest right one.
pub(crate) fn wrong_board_name(error: BoardNameError, name: &str) -> AnyView {
    let suggestion = suggest(name);
    let text = t::wrong_board_name(error, suggestion.as_ref());
    let link = suggestion.map(|name| (html::a().href(board_path(&name)).child(t::board_title(&name)), "?"));
    alert((text, link))
}

/// The board name nearest to what was typed; `None` when nothing of it can be used.
fn suggest(typed: &str) -> Option<BoardName> {
    let typed = typed.trim().trim_start_matches("/b/").trim_matches('/').to_ascii_lowercase();
    let parts = typed
        .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()))
        .filter(|part| !part.is_empty());
    let mut name = parts.collect::<Vec<_>>().join("-");
    name.truncate(BoardName::MAX);
    BoardName::new(&name).ok()
}

/// The list "Boards", latest activity first.
pub(crate) fn board_list(boards: Listing<BoardCard>) -> AnyView {
    html::ul().class("boards").role("list").aria_label(t::BOARDS).child(each(boards.items, board)).into_any()
}

fn board(card: RwSignal<BoardCard>) -> AnyView {
    let client = Client::here();
    let name = card.with_untracked(|card| card.name.clone());
    let subscribed = Memo::new(move |_| card.with(|card| card.subscribed));
    let counts = move || {
        card.with(|card| match card.posts {
            0 => t::NO_POSTS.to_owned(),
            posts => format!("{}, {}", t::threads(card.threads), t::posts(posts)),
        })
    };
    let last = Memo::new(move |_| card.with(|card| card.last));
    let action = move || if subscribed.get() { t::UNSUBSCRIBE } else { t::SUBSCRIBE };
    let toggle = {
        let name = name.clone();
        move |_| {
            let name = name.clone();
            client.send(if subscribed.get_untracked() {
                Command::Unsubscribe(name)
            } else {
                Command::Subscribe(name)
            });
        }
    };
    html::li()
        .class("board")
        .class(("subscribed", live(move || subscribed.get())))
        .child((
            html::a().class("board-link").href(board_path(&name)).child(t::board_title(&name)),
            html::span().class("board-counts").child(live(counts)),
            html::span().class("board-last").child(live(move || last.get().map(ago))),
            html::button()
                .r#type("button")
                .class("small")
                .aria_label({
                    let name = name.clone();
                    live(move || t::subscription(action(), &name))
                })
                .on(ev::click, toggle)
                .child(live(action)),
        ))
        .into_any()
}
