//! The list "Friends": whom the person has a code of, when they were last heard of, and whether they are followed.

use chanterelle_core::base::{AuthorId, Seconds};
use chanterelle_core::node::Command;
use chanterelle_core::view::{FriendCard, Person};
use leptos::prelude::*;
use leptos::{ev, html};

use crate::features::paths::board_path;
use crate::i18n as t;
use crate::kit::{ago, live};
use crate::state::Client;

/// All friends, and whom else the person follows.
pub(crate) fn friend_list(person: RwSignal<Option<Person>>) -> AnyView {
    let cards = Memo::new(move |_| {
        person.with(|person| person.as_ref().map(|person| (person.friends.clone(), person.follows.clone())))
    });
    live(move || {
        let (friends, follows) = cards.get()?;
        let others: Vec<AuthorId> = follows
            .iter()
            .copied()
            .filter(|who| friends.iter().all(|friend| friend.author != *who))
            .collect();
        if friends.is_empty() && others.is_empty() {
            return Some(html::p().class("empty").child(t::NO_FRIENDS).into_any());
        }
        let friends = friends.into_iter().map(|card| {
            let followed = follows.contains(&card.author);
            friend(card, followed)
        });
        let items: Vec<AnyView> = friends.chain(others.into_iter().map(followed_only)).collect();
        Some(html::ul().class("friends").role("list").aria_label(t::FRIENDS).child(items).into_any())
    })
    .into_any()
}

fn friend(card: FriendCard, followed: bool) -> AnyView {
    let client = Client::here();
    let author = card.author;
    let name = card.name.clone().unwrap_or_else(|| t::friend_without_name(&author.short()));
    let board = card.board.map(|board| html::a().href(board_path(&board)).child(t::board_title(&board)));
    let forget = html::button()
        .r#type("button")
        .class("small")
        .aria_label(t::of_friend(t::FORGET, &name))
        .on(ev::click, move |_| client.send(Command::Unfriend(author)))
        .child(t::FORGET);
    html::li()
        .attr("data-author", author.to_string())
        .child((
            html::span().class("friend-name").child(name.clone()),
            html::code().class("quiet").child(author.short()),
            board,
            html::span().class("quiet").child(seen(card.seen)),
            follow(author, &name, followed),
            forget,
        ))
        .into_any()
}

fn followed_only(author: AuthorId) -> AnyView {
    let name = t::friend_without_name(&author.short());
    html::li()
        .attr("data-author", author.to_string())
        .child((
            html::span().class("friend-name").child(name.clone()),
            html::code().class("quiet").child(author.short()),
            follow(author, &name, true),
        ))
        .into_any()
}

fn seen(seen: Option<Seconds>) -> AnyView {
    match seen {
        Some(time) => (t::SEEN, " ", ago(time)).into_any(),
        None => t::NOT_SEEN.into_any(),
    }
}

fn follow(author: AuthorId, name: &str, followed: bool) -> AnyView {
    let client = Client::here();
    let label = if followed { t::UNFOLLOW } else { t::FOLLOW };
    html::button()
        .r#type("button")
        .class("small")
        .aria_label(t::of_friend(label, name))
        .attr("title", t::FOLLOW_PUBLIC)
        .on(ev::click, move |_| client.follow(author, !followed))
        .child(label)
        .into_any()
}
