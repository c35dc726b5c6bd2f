//! `/me`: what this browser holds of its person, and what becomes of it.

use leptos::html;
use leptos::prelude::*;

use crate::features::friends::{friend_list, own_code};
use crate::i18n as t;
use crate::kit::{heading, live};
use crate::link::StorageStatus;
use crate::state::{Client, not_ready, ready_when};

/// What is kept, and what would be lost.
pub(crate) fn me() -> AnyView {
    not_ready();
    let client = Client::here();
    let boards = client.open_boards();
    let person = client.open_person();
    ready_when(move || boards.loaded.get() && person.with(Option::is_some));
    let order = boards.items.order();
    let held = move || {
        let cards = order.get();
        let cards = cards.iter().filter_map(|board| boards.items.get(board));
        let (mut subscribed, mut posts) = (0, 0);
        for card in cards {
            card.with(|card| {
                subscribed += u32::from(card.subscribed);
                posts += card.posts;
            });
        }
        t::held(posts, subscribed)
    };
    let kept = move || {
        client.storage.with(|storage| match storage {
            StorageStatus::Opening => t::KEPT_OPENING,
            StorageStatus::Ready { durable: true } => t::KEPT_DURABLE,
            StorageStatus::Ready { durable: false } => t::KEPT_EVICTABLE,
            StorageStatus::MemoryOnly(_) => t::KEPT_MEMORY,
        })
    };
    let fingerprint = move || client.identity.get().map(|author| t::grouped(&author.to_string()));
    html::div()
        .class("page prose")
        .child((
            heading(t::ME),
            html::h2().id("invite").child(t::INVITE),
            html::p().child(t::INVITE_ABOUT),
            own_code(person, boards),
            html::h2().child(t::FRIENDS),
            friend_list(person),
            html::p().child(html::a().href("/f").child(t::HAVE_CODE)),
            html::h2().child(t::KEYS),
            html::p().child(t::KEYS_ABOUT),
            html::p().child((t::FINGERPRINT, html::code().class("fingerprint").child(live(fingerprint)))),
            html::p().child(t::KEYS_LOSS),
            html::h2().child(t::KEPT),
            html::p().child(live(held)),
            html::p().child(live(kept)),
        ))
        .into_any()
}
