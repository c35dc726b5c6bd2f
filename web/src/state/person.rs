//! The person and their friends, and friend codes.

use chanterelle_core::base::BoardName;
use chanterelle_core::node::{Command, Target};
use chanterelle_core::view::Person;
use leptos::prelude::*;

use super::Client;
use super::open::Sink;

/// What is done with a friend code, once.
pub(super) type OnCode = Box<dyn FnOnce(Option<String>)>;

impl Client {
    /// Shows the person of this profile until the current owner is cleaned up; `None` until the node has answered.
    pub(crate) fn open_person(self) -> RwSignal<Option<Person>> {
        let person = RwSignal::new(None);
        self.open(Target::Person, Sink::Person(person));
        person
    }

    /// Makes a friend code that opens `board`. `then` is called once with it, or never if no node comes to run.
    pub(crate) fn invite(self, board: Option<BoardName>, then: impl FnOnce(Option<String>) + 'static) {
        let request = self.number();
        self.inner.update_value(|inner| {
            inner.inviting.insert(request, Box::new(then));
        });
        self.send(Command::Invite { request, board });
    }

    pub(super) fn invited(self, request: u32, code: Option<String>) {
        if let Some(then) = self.inner.try_update_value(|inner| inner.inviting.remove(&request)).flatten() {
            then(code);
        }
    }
}
