//! Friends: whom the person has a friend code of, and where they are. And the person's own codes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Node;
use super::api::{Notice, Output, Relays, Update};
use crate::base::{AuthorId, BoardName, BoxMap, Limits, PeerId, Seconds, Slot, set_of};
use crate::crypto::{ReachSecret, Verify, blinded};
use crate::invite::{Address, FriendCode, Place, ReachRecord, is_plain_name};
use crate::view::{FriendCard, Person};

/// Relays remembered for the next start.
const KNOWN_RELAYS: usize = 32;

/// Of the relays known, so many stand in a friend code made while none is connected: the first were the last that were.
const OFFLINE_RELAYS: usize = 2;

/// The person's side of friendship.
#[derive(Default)]
pub(super) struct Friends {
    friends: BoxMap<AuthorId, Friend>,
    name: Option<String>,
    generation: u32,
    known: Vec<Address>,
    /// What was last told to the shell.
    told: Relays,
    changed: bool,
}

/// Somebody whose code the person has opened.
#[derive(Clone, Serialize, Deserialize)]
struct Friend {
    name: Option<String>,
    reach: ReachSecret,
    /// As the code told.
    relays: Vec<Address>,
    board: Option<BoardName>,
    /// Where they said they are, and when.
    place: Option<(Seconds, Place)>,
}

/// What is stored of it, local to a storage.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct RememberedFriends {
    name: Option<String>,
    generation: u32,
    known: Vec<Address>,
    friends: Vec<(AuthorId, Friend)>,
}

impl RememberedFriends {
    pub(super) fn known(self) -> Vec<Address> {
        self.known
    }

    /// Adds relays.
    pub(super) fn know_also(&mut self, relays: Vec<Address>) {
        for relay in relays {
            if !self.known.contains(&relay) {
                self.known.push(relay);
            }
        }
        self.known.truncate(KNOWN_RELAYS);
    }

    /// Adds what another has of the same person.
    pub(super) fn add(&mut self, other: RememberedFriends) {
        self.name = self.name.take().or(other.name);
        self.generation = self.generation.max(other.generation);
        self.know_also(other.known);
        for friend in other.friends {
            if !self.friends.iter().any(|(author, _)| *author == friend.0) {
                self.friends.push(friend);
            }
        }
    }
}

impl Friends {
    pub(super) fn restore(&mut self, state: RememberedFriends, limits: &Limits) {
        // One that was good by an older rule would make codes that nobody takes.
        self.name = state.name.filter(|name| is_plain_name(name, limits));
        self.generation = state.generation;
        self.known = state.known;
        self.friends = state.friends.into_iter().collect();
        self.changed = true;
    }

    pub(super) fn remembered(&self) -> RememberedFriends {
        RememberedFriends {
            name: self.name.clone(),
            generation: self.generation,
            known: self.known.clone(),
            friends: self.friends.iter().map(|(author, friend)| (*author, friend.clone())).collect(),
        }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Everybody whose code the person has opened.
    pub(super) fn all(&self) -> Vec<AuthorId> {
        self.friends.keys().copied().collect()
    }

    /// The slot in which a friend says on that day where they are.
    pub(super) fn slot(&self, author: &AuthorId, day: u64) -> Option<Slot> {
        blinded(author, &self.friends.get(author)?.reach, day)
    }

    /// Where friends are, each with their relays, as far as they said so since `since` or are connected: a peer's id is
    /// good for a visit.
    pub(super) fn places(
        &self,
        since: Seconds,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<(PeerId, Vec<Address>)> {
        let places = self.friends.values().filter_map(|friend| friend.place.as_ref());
        let here = places.filter(|(time, place)| *time >= since || is_connected(&place.peer));
        here.map(|(_, place)| (place.peer, place.relays.clone())).collect()
    }

    /// The relays the person wants to be at, each once: where friends are, or else would be.
    fn relays(&self) -> Relays {
        let mut seen = BTreeSet::new();
        let mut once = |address: &Address| seen.insert(address.clone()).then(|| address.clone());
        let at = |friend: &Friend| friend.place.as_ref().map(|(_, place)| place.relays.clone());
        let places: Vec<Address> =
            self.friends.values().flat_map(|friend| at(friend).unwrap_or_default()).collect();
        let said = self.friends.values().flat_map(|friend| &friend.relays);
        let friends = places.iter().chain(said).filter_map(&mut once).collect();
        Relays { friends, known: self.known.iter().filter_map(&mut once).collect() }
    }
}

impl<V: Verify> Node<V> {
    pub(super) fn invite(&mut self, request: u32, board: Option<BoardName>) {
        let relays = match self.reach.relays() {
            [] => self.friends.known.iter().take(OFFLINE_RELAYS).cloned().collect(),
            here => here.to_vec(),
        };
        let code = self.identity.as_ref().map(|identity| {
            let key = identity.identity();
            let reach = identity.reach(self.friends.generation);
            let mut code = FriendCode::new(key.public(), reach);
            code.name.clone_from(&self.friends.name);
            (code.board, code.relays) = (board, relays);
            code.sign(key)
        });
        self.outputs.push_back(Output::Update(Update::Invited { request, code }));
    }

    pub(super) fn befriend(&mut self, code: FriendCode) {
        let oneself = self.identity.as_ref().map(|identity| identity.identity().public());
        let full = self.friends.friends.len() >= self.limits.friends;
        if oneself == Some(code.author) {
            return;
        }
        if full && !self.friends.friends.contains_key(&code.author) {
            return self.notice(Notice::FriendsFull);
        }
        let FriendCode { author, name, reach, relays, board, .. } = code;
        let place = self.friends.friends.remove(&author).and_then(|friend| friend.place);
        self.friends.friends.insert(author, Friend { name, reach, relays, board, place });
        self.friends_changed();
        let peers: Vec<_> = self.ready_peers().collect();
        for peer in peers {
            self.meet(peer);
            self.plan_scopes(peer);
        }
    }

    pub(super) fn unfriend(&mut self, author: &AuthorId) {
        if self.friends.friends.remove(author).is_some() {
            self.friends_changed();
        }
    }

    pub(super) fn call_me(&mut self, name: Option<String>) {
        if name.as_ref().is_none_or(|name| is_plain_name(name, &self.limits)) {
            self.friends.name = name;
            self.friends_changed();
        }
    }

    pub(super) fn renew_code(&mut self) {
        self.friends.generation += 1;
        self.friends_changed();
        self.say_where_we_are();
    }

    pub(super) fn know_relays(&mut self, mut relays: Vec<Address>) {
        relays.truncate(KNOWN_RELAYS);
        if self.friends.known != relays {
            self.friends.known = relays;
            self.persist.remember();
        }
    }

    /// Whether a record is later than the last of this friend: an older one is nothing new, whoever repeats it.
    pub(super) fn is_news_of(&self, author: &AuthorId, record: &ReachRecord) -> bool {
        let friend = self.friends.friends.get(author);
        friend.is_some_and(|friend| friend.place.as_ref().is_none_or(|(time, _)| *time < record.time()))
    }

    /// Takes note of where a friend is.
    pub(super) fn on_friend_record(&mut self, author: &AuthorId, record: &ReachRecord) {
        let Some(friend) = self.friends.friends.get_mut(author) else { return };
        let Some(place) = record.open(author, &friend.reach) else { return };
        friend.place = Some((record.time(), place));
        self.friends_changed();
    }

    fn friends_changed(&mut self) {
        self.friends.changed = true;
        self.persist.remember();
        self.views.person_changed();
    }

    /// Who this node's person is, as they are shown to themselves.
    pub(super) fn person(&self) -> Option<Person> {
        let author = self.identity.as_ref()?.identity().public();
        let card = |(author, friend): (&AuthorId, &Friend)| FriendCard {
            author: *author,
            name: friend.name.clone(),
            board: friend.board.clone(),
            seen: friend.place.as_ref().map(|(time, _)| *time),
        };
        Some(Person {
            author,
            name: self.friends.name.clone(),
            generation: self.friends.generation,
            friends: self.friends.friends.iter().map(card).collect(),
            follows: self.index.follows(&author).into_iter().collect(),
        })
    }

    /// Whose profiles and follows are kept here, beside the person's own: friends', and those of whom they follow.
    pub(super) fn people(&self) -> BTreeSet<AuthorId> {
        let author = self.identity.as_ref().map(|identity| identity.identity().public());
        let follows = author.map(|author| self.index.follows(&author)).unwrap_or_default();
        set_of(self.friends.friends.keys().copied().chain(follows))
    }

    /// Tells the shell which relays are worth connecting to, when that changed.
    pub(super) fn tell_relays(&mut self) {
        if !core::mem::take(&mut self.friends.changed) {
            return;
        }
        self.friends_moved();
        let relays = self.friends.relays();
        if relays != self.friends.told {
            self.friends.told = relays.clone();
            self.outputs.push_back(Output::Relays(relays));
        }
    }
}
