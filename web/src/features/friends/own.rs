//! The person's own friend code: what they are called in it, the board it opens, and the code as a link and a picture.

use chanterelle_core::base::BoardName;
use chanterelle_core::node::Command;
use chanterelle_core::view::{BoardCard, Person};
use leptos::prelude::*;
use leptos::{ev, html};

use crate::features::code::{CodeField, code_field};
use crate::features::qr::qr_code;
use crate::i18n as t;
use crate::kit::{alert_if, live, waiting};
use crate::state::{Client, Listing};

/// Makes and shows the code.
pub(crate) fn own_code(person: RwSignal<Option<Person>>, boards: Listing<BoardCard>) -> AnyView {
    let client = Client::here();
    let board = RwSignal::new(None::<BoardName>);
    let link = RwSignal::new(None::<String>);
    let number = StoredValue::new(0_u32);
    // Anew whenever something that stands in it changes; the relays are as good as they were when it is copied.
    let made_of = Memo::new(move |_| {
        let said =
            person.with(|person| person.as_ref().map(|person| (person.name.clone(), person.generation)));
        (said, board.get(), client.network.with(|status| status.relays))
    });
    Effect::new(move |_| {
        let (said, board, _) = made_of.get();
        if said.is_none() {
            return;
        }
        number.update_value(|number| *number += 1);
        let of = number.get_value();
        client.invite(board, move |code| {
            // The person may be gone from this page, or have changed their mind.
            if number.try_get_value() == Some(of) {
                link.set(code.map(|code| link_of(&code)));
            }
        });
    });
    html::div()
        .class("own-code")
        .child((
            name_form(person),
            html::div().class("field").child((
                html::label().attr("for", "code-board").child(t::CODE_BOARD),
                board_choice(boards, board),
            )),
            live(move || match link.get() {
                Some(link) => (shown(link.clone()), qr_code(move || link.clone(), t::CODE_QR)).into_any(),
                None => waiting(t::MAKING_CODE),
            }),
            html::p().class("quiet").child(t::CODE_ABOUT),
            renew(),
        ))
        .into_any()
}

/// The link that a code stands behind. Any relay's address would do; this page's is known to work.
fn link_of(code: &str) -> String {
    let origin = location().origin().unwrap_or_default();
    format!("{origin}/f#{code}")
}

fn shown(link: String) -> AnyView {
    let field = CodeField { id: "friend-code", rows: "4", name: t::FRIEND_CODE, copy: t::COPY_CODE };
    code_field(field, link)
}

/// The boards kept here, and none.
fn board_choice(boards: Listing<BoardCard>, board: RwSignal<Option<BoardName>>) -> AnyView {
    let order = boards.items.order();
    let options = move || {
        let cards: Vec<BoardName> = order.with(|order| {
            let cards = order.iter().filter_map(|key| boards.items.get(key));
            let kept = cards.filter(|card| card.with(|card| card.subscribed));
            kept.map(|card| card.with(|card| card.name.clone())).collect()
        });
        let options = cards.into_iter().map(|name| {
            let chosen = board.with_untracked(|board| board.as_ref() == Some(&name));
            html::option().value(name.to_string()).prop("selected", chosen).child(t::board_title(&name))
        });
        options.collect::<Vec<_>>().into_any()
    };
    let choose = move |event: ev::Event| board.set(BoardName::new(&event_target_value(&event)).ok());
    html::select()
        .id("code-board")
        .on(ev::change, choose)
        .child((html::option().value("").child(t::CODE_NO_BOARD), live(options)))
        .into_any()
}

fn name_form(person: RwSignal<Option<Person>>) -> AnyView {
    let client = Client::here();
    let input = NodeRef::<html::Input>::new();
    let wrong = RwSignal::new(false);
    let name = move || person.with(|person| person.as_ref().and_then(|person| person.name.clone()));
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(input) = input.get_untracked() else { return };
        let typed = input.value().trim().to_owned();
        let is_plain =
            typed.is_empty() || chanterelle_core::invite::is_plain_name(&typed, &Default::default());
        wrong.set(!is_plain);
        if is_plain {
            client.send(Command::CallMe(Some(typed).filter(|typed| !typed.is_empty())));
        }
    };
    let saved = Memo::new(move |_| name());
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            html::label().attr("for", "code-name").child(t::CODE_NAME),
            html::div().class("joined").child((
                html::input()
                    .id("code-name")
                    .r#type("text")
                    .autocomplete("nickname")
                    .attr("maxlength", "40")
                    .prop("value", move || saved.get().unwrap_or_default())
                    .node_ref(input),
                html::button().r#type("submit").child(t::SAVE),
            )),
            html::span()
                .role("status")
                .class("quiet")
                .child(live(move || saved.get().map(|name| t::called(&name)))),
            alert_if(move || wrong.get().then(|| t::CODE_NAME_WRONG.to_owned())),
        ))
        .into_any()
}

/// Makes codes given out before useless, after a second thought.
fn renew() -> AnyView {
    let client = Client::here();
    let sure = RwSignal::new(false);
    let done = RwSignal::new(false);
    let click = move |_| {
        if sure.get_untracked() {
            client.send(Command::RenewCode);
            done.set(true);
        }
        sure.update(|sure| *sure = !*sure);
    };
    let label = move || if sure.get() { t::RENEW_SURE } else { t::RENEW };
    let said = move || match (sure.get(), done.get()) {
        (true, _) => t::RENEW_ABOUT,
        (false, true) => t::RENEWED,
        (false, false) => "",
    };
    html::div()
        .class("form-foot")
        .child((
            html::button().r#type("button").class("small").on(ev::click, click).child(live(label)),
            html::span().role("status").class("quiet").child(live(said)),
        ))
        .into_any()
}
