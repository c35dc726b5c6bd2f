//! What the settings have of files: the boards whose pictures come by themselves, what is kept here, and what is blocked.

use chanterelle_core::view::BoardCard;
use leptos::html;
use leptos::prelude::*;
use web_sys::HtmlElement;

use crate::i18n as t;
use crate::kit::{button, go_on_in, live};
use crate::state::{AllUsage, Client, Media};

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
    let place = NodeRef::<html::Div>::new();
    let list = live(move || {
        let shown = shown.get();
        if shown.is_empty() {
            return html::p().child(t::FILES_NOWHERE).into_any();
        }
        let board = |(id, name)| {
            let hide = button("small", t::NO_LONGER, move || {
                media.show(id, false);
                go_on_in(element(place), vec!["button".to_owned()]);
            });
            html::li().child((t::board_title(&name), " ", hide)).into_any()
        };
        let items: Vec<AnyView> = shown.into_iter().map(board).collect();
        (html::p().child(t::FILES_ABOUT), html::ul().class("shown-boards").role("list").child(items))
            .into_any()
    });
    html::div().class("page prose").attr("tabindex", "-1").node_ref(place).child(list).into_any()
}

/// What files take in this browser, and how many are blocked, with a way to take that back.
pub(crate) fn kept_files() -> AnyView {
    let media = Media::here();
    media.ask_usage();
    let usage = live(move || {
        let lines = media.usage.with(|usage| usage.as_ref().map(lines))?;
        let lines: Vec<AnyView> = lines.into_iter().map(|line| html::li().child(line).into_any()).collect();
        Some((html::p().child(t::FILES_KEPT), html::ul().role("list").child(lines)).into_any())
    });
    let place = NodeRef::<html::Div>::new();
    let blocked = live(move || {
        let count = media.blocked.get();
        (count > 0).then(|| {
            let unblock = button("small", t::UNBLOCK_ALL, move || {
                media.unblock_all();
                go_on_in(element(place), Vec::new());
            });
            html::p().child((t::files_blocked(count), " ", unblock)).into_any()
        })
    });
    html::div().class("page prose").attr("tabindex", "-1").node_ref(place).child((usage, blocked)).into_any()
}

fn element(place: NodeRef<html::Div>) -> Option<HtmlElement> {
    place.get_untracked().map(Into::into)
}

/// A line for each class of which there is something, and one for what the browser allows.
fn lines(usage: &AllUsage) -> Vec<String> {
    let kept = usage.classes.iter().filter(|(_, usage)| usage.blobs > 0);
    let mut lines: Vec<String> =
        kept.map(|(class, usage)| t::files_of(*class, usage.blobs, usage.bytes)).collect();
    if lines.is_empty() {
        lines.push(t::NO_FILES.to_owned());
    }
    lines.extend(usage.quota.map(|(most, taken)| t::files_allowed(taken, most)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use chanterelle_media::messages::Usage;

    use crate::state::Class;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_class_of_which_there_is_something_has_a_line() {
        let mut usage = AllUsage { quota: Some((12_340_000_000, 5_000_000)), ..AllUsage::default() };
        usage.classes = [(Class::Own, 1), (Class::Pinned, 0), (Class::Strangers, 2)]
            .map(|(class, blobs)| (class, Usage { blobs, bytes: blobs * 1_500_000 }))
            .to_vec();
        assert_eq!(
            lines(&usage),
            [
                "Yours: 1 file, 1.5 MB.",
                "Of others: 2 files, 3.0 MB.",
                "All that this page keeps takes 5.0 MB of 12.3 GB that the browser allows."
            ]
        );
        assert_eq!(lines(&AllUsage::default()), [t::NO_FILES]);
    }
}
