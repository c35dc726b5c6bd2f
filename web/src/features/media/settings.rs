//! The boards whose pictures come by themselves, as the settings have them.

use chanterelle_core::view::BoardCard;
use leptos::html;
use leptos::prelude::*;

use crate::i18n as t;
use crate::kit::{button, live};
use crate::state::{Client, Media};

/// The list, with a way to take each out of it.
pub(crate) fn shown_boards() -> AnyView {
    let (media, boards) = (Media::here(), Client::here().open_boards());
    let order = boards.items.order();
    let shown = Memo::new(move |_| {
        let cards = order.get();
        let cards = cards.iter().filter(|board| media.shows(**board));
        let card = |card: ArcRwSignal<BoardCard>| card.with(|card| (card.id, card.name.clone()));
        cards.filter_map(|board| boards.items.get(board)).map(card).collect::<Vec<_>>()
    });
    let list = live(move || {
        let shown = shown.get();
        if shown.is_empty() {
            return html::p().child(t::FILES_NOWHERE).into_any();
        }
        let board = |(id, name)| {
            let hide = button("small", t::NO_LONGER, move || media.show(id, false));
            html::li().child((t::board_title(&name), " ", hide)).into_any()
        };
        let items: Vec<AnyView> = shown.into_iter().map(board).collect();
        (html::p().child(t::FILES_ABOUT), html::ul().class("shown-boards").role("list").child(items))
            .into_any()
    });
    list.into_any()
}
