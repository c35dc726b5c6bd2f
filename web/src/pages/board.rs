//! `/b/{board}`: a board's catalog.

use chanterelle_core::base::BoardName;
use chanterelle_core::crypto::open_board_id;
use chanterelle_core::node::Command;
use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::hooks::use_params_map;

use crate::features::boards::wrong_board_name;
use crate::features::catalog::thread_list;
use crate::features::composer::new_thread;
use crate::features::media::{Rules, show_pictures};
use crate::i18n as t;
use crate::kit::{Live, live, title, waiting};
use crate::state::{Client, not_ready, ready_when};

/// Threads shown at first and added by each "Show more": a few screens.
const STEP: u32 = 60;

/// The catalog of the board the address names.
pub(crate) fn board() -> AnyView {
    let params = use_params_map();
    let name =
        Memo::new(move |_| params.with(|params| params.get_str("board").unwrap_or_default().to_owned()));
    let page = move || {
        let name = name.get();
        match BoardName::new(&name) {
            Ok(board) => catalog(board),
            Err(error) => {
                not_ready();
                ready_when(|| true);
                title(|| t::NOT_FOUND.to_owned());
                html::div()
                    .class("page")
                    .child((
                        html::h1().child(t::WRONG_BOARD),
                        wrong_board_name(error, &name),
                        html::p().child(html::a().href("/").child(t::TO_BOARDS)),
                    ))
                    .into_any()
            }
        }
    };
    live(page).into_any()
}

fn catalog(board: BoardName) -> AnyView {
    not_ready();
    let client = Client::here();
    client.send(Command::Subscribe(board.clone()));
    let limit = RwSignal::new(STEP);
    let board_id = open_board_id(&board);
    Rules::provide(board_id);
    let threads = client.open_catalog(board_id, limit);
    ready_when(move || threads.loaded.get());
    let heading = t::board_title(&board);
    title({
        let heading = heading.clone();
        move || heading.clone()
    });
    let order = threads.items.order();
    let shown = Memo::new(move |_| order.with(|order| u32::try_from(order.len()).unwrap_or(u32::MAX)));
    let none = Memo::new(move |_| shown.get() == 0);
    let state = move || match (threads.loaded.get(), none.get()) {
        (false, _) => Some(waiting(t::READING_THREADS)),
        (true, true) => Some(html::p().class("empty").child(t::NO_THREADS).into_any()),
        (true, false) => None,
    };
    let more = move || {
        (shown.get() >= limit.get()).then(|| {
            let show_more = move |_| limit.update(|limit| *limit += STEP);
            html::button()
                .r#type("button")
                .class("show-more")
                .on(ev::click, show_more)
                .child(t::SHOW_MORE)
                .into_any()
        })
    };
    html::div()
        .class("page board-page")
        .child((
            html::div().class("board-head").child((
                html::h1().child(heading),
                new_thread(board.clone()),
                html::div()
                    .class("board-under")
                    .child((show_pictures(board_id), html::p().class("syncing").child(syncing(client)))),
            )),
            thread_list(board, threads),
            live(state),
            live(more),
        ))
        .into_any()
}

/// Says that more may come, for as long as that is so.
fn syncing(client: Client) -> Live<String> {
    let peers = Memo::new(move |_| {
        client.sessions.with(|sessions| sessions.iter().filter(|session| session.syncing).count())
    });
    live(move || match u32::try_from(peers.get()).unwrap_or(u32::MAX) {
        0 => String::new(),
        peers => t::asking(peers),
    })
}
