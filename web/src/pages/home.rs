//! `/`: the boards known here, and the way to any other.

use leptos::html;
use leptos::prelude::*;

use crate::features::boards::{board_list, open_board};
use crate::i18n as t;
use crate::kit::{heading, live, waiting};
use crate::state::{Client, not_ready, ready_when};

/// All boards known here, and the way to any other.
pub(crate) fn home() -> AnyView {
    not_ready();
    let boards = Client::here().open_boards();
    ready_when(move || boards.loaded.get());
    let order = boards.items.order();
    let none = Memo::new(move |_| order.with(Vec::is_empty));
    let state = move || match (boards.loaded.get(), none.get()) {
        (false, _) => Some(waiting(t::READING_BOARDS)),
        (true, true) => Some(html::p().class("empty").child(t::NO_BOARDS).into_any()),
        (true, false) => None,
    };
    html::div()
        .class("page home")
        .child((
            html::section().class("welcome").child((
                heading(t::BOARDS),
                html::p().class("lead").child(t::NEWCOMER),
                open_board(),
            )),
            board_list(boards),
            live(state),
        ))
        .into_any()
}
