//! Which files come without being asked for: one's own, those by people one follows, and those on boards whose pictures
//! the person has switched on. And the switch.

use chanterelle_core::base::{AuthorId, BoardId};
use leptos::prelude::*;
use leptos::{ev, html};

use crate::i18n as t;
use crate::state::{Class, Client, Media};

/// The rules on a page. A handle, given to everything in it as context.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    media: Media,
    board: BoardId,
    follows: Memo<Vec<AuthorId>>,
}

impl Rules {
    /// The rules on a page of this board, for everything in it.
    pub(crate) fn provide(board: BoardId) {
        let person = Client::here().open_person();
        let follows = move || {
            person.with(|person| person.as_ref().map(|person| person.follows.clone()).unwrap_or_default())
        };
        provide_context(Self { media: Media::here(), board, follows: Memo::new(move |_| follows()) });
    }

    pub(super) fn here() -> Self {
        expect_context()
    }

    /// Whose a file is. Tracked.
    pub(super) fn class(self, own: bool, author: &AuthorId) -> Class {
        class(own, self.follows.with(|follows| follows.contains(author)))
    }

    /// Whether small pictures of such files come by themselves. Tracked.
    pub(super) fn allow(self, class: Class) -> bool {
        allow(class, self.media.shows(self.board))
    }
}

fn class(own: bool, followed: bool) -> Class {
    match (own, followed) {
        (true, _) => Class::Own,
        (false, true) => Class::Followed,
        (false, false) => Class::Strangers,
    }
}

fn allow(class: Class, board_shown: bool) -> bool {
    board_shown || class != Class::Strangers
}

/// The switch "Show pictures on this board".
pub(crate) fn show_pictures(board: BoardId) -> AnyView {
    let media = Media::here();
    html::label()
        .class("check show-pictures")
        .child((
            html::input()
                .r#type("checkbox")
                .attr("role", "switch")
                .prop("checked", move || media.shows(board))
                .on(ev::change, move |event| media.show(board, event_target_checked(&event))),
            html::span().child(t::SHOW_ON_BOARD),
        ))
        .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_strangers_picture_comes_only_where_the_board_is_switched_on() {
        assert_eq!(class(true, true), Class::Own);
        assert_eq!(class(false, true), Class::Followed);
        assert_eq!(class(false, false), Class::Strangers);
        for class in [Class::Own, Class::Followed] {
            assert!(allow(class, false));
        }
        assert!(!allow(Class::Strangers, false));
        assert!(allow(Class::Strangers, true));
    }
}
