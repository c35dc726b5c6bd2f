//! Publishing: a draft out, one answer back. What becomes of the post afterwards is told by the views.

use chanterelle_core::base::{AuthorId, EventId, ThreadId};
use chanterelle_core::event::{Content, Draft, DraftError, Persona};
use chanterelle_core::node::Command;
use leptos::prelude::*;

use super::Client;

/// What a draft became. It is pending: neither stored nor sent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    /// The event.
    pub event: EventId,
    /// Its thread, if it is in one.
    pub thread: Option<ThreadId>,
}

/// Why a draft was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotPublished {
    /// The node refused it.
    Refused(DraftError),
    /// The node does not run; why is told by the alerts of the page.
    Stopped,
}

/// What is done with the answer, once.
pub(super) type OnPublished = Box<dyn FnOnce(Result<Published, NotPublished>)>;

impl Client {
    /// Publishes under the pseudonym of the thread. `then` is called once, also when the node stops before it answers.
    pub(crate) fn publish(
        self,
        content: Content,
        then: impl FnOnce(Result<Published, NotPublished>) + 'static,
    ) {
        self.publish_as(Persona::Pseudonym, content, then);
    }

    /// Says under the person's own name that they follow somebody, or no longer.
    pub(crate) fn follow(self, who: AuthorId, begin: bool) {
        // The list of friends shows what came of it.
        self.publish_as(Persona::Identity, Content::Follow { who, ended: !begin }, |_| {});
    }

    fn publish_as(
        self,
        persona: Persona,
        content: Content,
        then: impl FnOnce(Result<Published, NotPublished>) + 'static,
    ) {
        if self.notices.failed.with_untracked(Option::is_some) {
            then(Err(NotPublished::Stopped));
            return;
        }
        let request = self.number();
        self.inner.update_value(|inner| {
            inner.publishing.insert(request, Box::new(then));
        });
        self.send(Command::Publish(request, Draft { persona, content }));
    }

    pub(super) fn answer(self, request: u32, answer: Result<Published, NotPublished>) {
        let then = self.inner.try_update_value(|inner| inner.publishing.remove(&request)).flatten();
        if let Some(then) = then {
            then(answer);
        }
    }

    pub(super) fn give_up_publishing(self) {
        let waiting = self.inner.try_update_value(|inner| std::mem::take(&mut inner.publishing));
        for then in waiting.unwrap_or_default().into_values() {
            then(Err(NotPublished::Stopped));
        }
    }
}
