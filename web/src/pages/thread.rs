//! `/b/{board}/t/{thread}`: a thread.

use chanterelle_core::base::{BoardId, BoardName, ThreadId};
use chanterelle_core::crypto::open_board_id;
use chanterelle_core::node::Command;
use leptos::html;
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use crate::features::boards::wrong_board_name;
use crate::features::composer::reply_form;
use crate::features::media::{Rules, Viewer, full_view, gallery, gallery_toggle, show_pictures};
use crate::features::network::asked;
use crate::features::paths::board_path;
use crate::features::post::posts;
use crate::features::preview::with_previews;
use crate::features::thread::Here;
use crate::i18n as t;
use crate::kit::{alert, live, title, waiting};
use crate::state::{Client, ThreadView, not_ready, ready_when};

/// The thread the address names.
pub(crate) fn thread() -> AnyView {
    let params = use_params_map();
    let names = Memo::new(move |_| {
        params.with(|params| {
            let part = |name| params.get_str(name).unwrap_or_default().to_owned();
            (part("board"), part("thread"))
        })
    });
    let page = move || {
        let (board, thread) = names.get();
        let wrong = match (BoardName::new(&board), thread.parse::<ThreadId>()) {
            (Ok(board), Ok(thread)) => return show(&board, thread),
            (Err(error), _) => wrong_board_name(error, &board),
            (Ok(_), Err(_)) => alert(t::WRONG_THREAD),
        };
        not_ready();
        ready_when(|| true);
        title(|| t::NOT_FOUND.to_owned());
        html::div()
            .class("page")
            .child((
                html::h1().child(t::NOT_FOUND),
                wrong,
                html::p().child(html::a().href("/").child(t::TO_BOARDS)),
            ))
            .into_any()
    };
    live(page).into_any()
}

fn show(board: &BoardName, thread: ThreadId) -> AnyView {
    not_ready();
    let client = Client::here();
    client.send(Command::Subscribe(board.clone()));
    let board_id = open_board_id(board);
    let view = client.open_thread(board_id, thread);
    ready_when(move || view.loaded.get());
    let here = Here::new(board, thread, view);
    provide_context(here);
    Rules::provide(board_id);
    let viewer = Viewer::new(view);
    provide_context(viewer);
    let places = Memo::new(move |_| viewer.places());
    let has_files = Memo::new(move |_| places.with(|places| !places.is_empty()));
    let as_gallery = RwSignal::new(false);
    let is_gallery = Memo::new(move |_| as_gallery.get() && has_files.get());
    let held = Memo::new(move |_| view.head.with(Option::is_some));
    let name = Memo::new(move |_| {
        let subject = view.head.with(|head| head.as_ref().and_then(|head| head.subject.clone()));
        subject.unwrap_or_else(|| t::thread_title(&thread.short()))
    });
    let board_title = t::board_title(board);
    title({
        let board = board_title.clone();
        move || format!("{} – {board}", name.get())
    });
    let reply = move || {
        held.get().then(|| reply_form(here.reply, board_id, thread, move |post| here.await_post(post)))
    };
    let content = html::div()
        .class("page thread-page")
        .child((
            html::div().class("thread-head").child((
                html::a().class("back").href(board_path(board)).child(board_title),
                html::h1().child(live(move || name.get())),
                live(move || facts(view)),
                live(move || has_files.get().then(|| media_tools(board_id, as_gallery))),
            )),
            live(move || missing(view, held)),
            live(move || is_gallery.get().then(|| gallery(viewer, places))),
            html::div().attr("hidden", live(move || is_gallery.get())).child(posts()),
            live(reply),
            full_view(viewer),
        ))
        .into_any();
    with_previews(content)
}

fn media_tools(board: BoardId, as_gallery: RwSignal<bool>) -> AnyView {
    html::div().class("thread-tools").child((show_pictures(board), gallery_toggle(as_gallery))).into_any()
}

fn facts(view: ThreadView) -> Option<AnyView> {
    let (replies, bump_limit) =
        view.head.with(|head| head.as_ref().map(|head| (head.replies, head.bump_limit)))?;
    let limit =
        bump_limit.then(|| html::span().class("mark").attr("title", t::BUMP_LIMIT_LONG).child(t::BUMP_LIMIT));
    Some(html::p().class("quiet").child((t::replies(replies), " ", limit)).into_any())
}

/// What is not here, and who is asked for it.
fn missing(view: ThreadView, held: Memo<bool>) -> Option<AnyView> {
    let order = view.posts.order();
    match (view.loaded.get(), held.get()) {
        (false, _) => Some(waiting(t::READING_THREAD)),
        (true, true) => None,
        (true, false) => {
            let text = move || if order.with(Vec::is_empty) { t::LOOKING } else { t::OPENING_MISSING };
            Some(html::div().class("looking").role("status").child((waiting(live(text)), asked())).into_any())
        }
    }
}
