//! The threads of a board as cards, most recently bumped first.

use chanterelle_core::base::BoardName;
use chanterelle_core::view::{PostState, ThreadCard};
use leptos::html;
use leptos::prelude::*;

use super::comment::{excerpt, mark};
use super::media::card_picture;
use super::paths::thread_path;
use super::post::post_state;
use crate::i18n as t;
use crate::kit::{ago, each, live};
use crate::state::Listing;

/// Which board the cards are of.
#[derive(Clone)]
struct CatalogBoard(BoardName);

/// The list "Threads".
pub(crate) fn thread_list(board: BoardName, threads: Listing<ThreadCard>) -> AnyView {
    provide_context(CatalogBoard(board));
    html::ul()
        .class("catalog")
        .role("list")
        .aria_label(t::THREADS)
        .child(each(threads.items, card))
        .into_any()
}

fn card(card: RwSignal<ThreadCard>) -> AnyView {
    let CatalogBoard(board) = expect_context();
    let (id, own) = card.with_untracked(|card| (card.id, card.own));
    let subject = Memo::new(move |_| card.with(|card| card.subject.clone()));
    let opening = Memo::new(move |_| card.with(|card| (card.deleted, card.excerpt.clone())));
    let replies = Memo::new(move |_| card.with(|card| (card.replies, card.bump_limit)));
    let bumped = Memo::new(move |_| card.with(|card| card.bumped));
    let state = Memo::new(move |_| card.with(|card| card.state));
    let heading = move || subject.get().unwrap_or_else(|| t::thread_title(&id.short()));
    let text = move || match opening.get() {
        (true, _) => html::span().class("quiet").child(t::DELETED_OPENING).into_any(),
        (false, text) => excerpt(&text),
    };
    html::li()
        .class("card")
        .attr("data-id", id.to_string())
        .child((
            html::a()
                .class("card-title")
                .class(("untitled", live(move || subject.with(Option::is_none))))
                .href(thread_path(&board, &id))
                .child(live(heading)),
            card_picture(card),
            html::div().class("card-text").child(live(text)),
            html::div().class("card-foot").child((
                live(move || t::replies(replies.get().0)),
                live(move || replies.get().1.then(|| mark(t::BUMP_LIMIT))),
                own.then(|| mark(t::YOU)),
                own.then(|| live(move || (state.get() != PostState::Sent).then(|| post_state(state.get())))),
                html::span().class("card-time").child(live(move || ago(bumped.get()))),
            )),
        ))
        .into_any()
}
