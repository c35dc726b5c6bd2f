//! What a page wants of the node, whichever worker runs it: told again to every node that takes over.

use chanterelle_core::node::{Command, Target, Update, ViewId};
use vecmap::VecMap;

/// What one page has open and waits for.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    open: VecMap<ViewId, Target>,
    /// Commands that are answered, until they are; what was published, until it is saved.
    asked: VecMap<u32, Command>,
    /// Other commands by a running number, until a node has taken them.
    others: VecMap<u64, Command>,
    last: u64,
}

impl Wishes {
    /// Takes note of a command.
    pub(super) fn note(&mut self, command: &Command) {
        match command {
            Command::Open(view, target) => {
                self.open.insert(*view, target.clone());
            }
            Command::Close(view) => {
                self.open.remove(view);
            }
            Command::Publish(request, _)
            | Command::Republish(request, _)
            | Command::Invite { request, .. } => {
                self.asked.insert(*request, command.clone());
            }
            other => {
                self.last += 1;
                self.others.insert(self.last, other.clone());
            }
        }
    }

    /// The number of the last command that nothing answers.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// A node has taken the commands up to this number.
    pub(super) fn taken(&mut self, last: u64) {
        self.others.retain(|number, _| *number > last);
    }

    /// Takes note of what the node told the page.
    pub(super) fn heard(&mut self, update: &Update) {
        match update {
            // Signed, and with the leader alone until it is saved, which may be closed before.
            Update::Published { request, bytes, .. } => {
                self.asked.insert(*request, Command::Republish(*request, bytes.clone()));
            }
            Update::Saved { request } | Update::Refused { request, .. } | Update::Invited { request, .. } => {
                self.asked.remove(request);
            }
            _ => {}
        }
    }

    /// The page was told that what it waits to see published is not.
    pub(super) fn publish_nothing(&mut self) {
        self.asked.retain(|_, command| !matches!(command, Command::Publish(..)));
    }

    /// Everything a node has to be told that knows nothing of the page. What was published and not answered is among
    /// it as a draft: a node answers before it begins to store or to send, so what it did not answer it has not done.
    /// What was answered and not saved is among it as the event that it became, which no node takes twice.
    pub(super) fn again(&self) -> Vec<Command> {
        let open = self.open.iter().map(|(view, target)| Command::Open(*view, target.clone()));
        self.others.values().cloned().chain(open).chain(self.asked.values().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::{BoardName, EventId};
    use chanterelle_core::event::{Content, Draft, Persona};
    use chanterelle_core::node::{Command, Target, Update};
    use serde_bytes::ByteBuf;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::Wishes;

    fn invite(request: u32) -> Command {
        Command::Invite { request, board: None }
    }

    #[test]
    fn what_is_open_unanswered_or_not_taken_is_told_to_every_node() {
        let subscribe = Command::Subscribe(BoardName::new("birch").expect("a board name"));
        let mut wishes = Wishes::default();
        wishes.note(&subscribe);
        wishes.note(&Command::Open(1, Target::Boards));
        wishes.note(&Command::Open(2, Target::Person));
        wishes.note(&Command::Open(2, Target::Post(EventId([1; 32]))));
        wishes.note(&Command::Open(3, Target::Boards));
        wishes.note(&Command::Close(3));
        wishes.note(&invite(7));
        wishes.note(&invite(8));
        let before = wishes.last();
        wishes.note(&Command::RenewCode);
        wishes.heard(&Update::Invited { request: 7, code: None });
        let first = vec![
            subscribe,
            Command::RenewCode,
            Command::Open(1, Target::Boards),
            Command::Open(2, Target::Post(EventId([1; 32]))),
            invite(8),
        ];
        assert_eq!(wishes.again(), first);
        assert_eq!(wishes.again(), first, "until it was taken");
        wishes.taken(before);
        assert_eq!(wishes.again(), first[1..]);
        wishes.taken(wishes.last());
        assert_eq!(wishes.again(), first[2..]);
    }

    #[test]
    fn what_was_published_is_told_as_the_event_that_it_became_until_it_is_saved() {
        let content = Content::Delete { target: EventId([1; 32]) };
        let publish = |request| {
            Command::Publish(request, Draft { persona: Persona::Identity, content: content.clone() })
        };
        let bytes = ByteBuf::from(*b"signed");
        let mut wishes = Wishes::default();
        wishes.note(&publish(1));
        wishes.note(&publish(2));
        let event = EventId([2; 32]);
        wishes.heard(&Update::Published { request: 1, event, thread: None, bytes: bytes.clone() });
        assert_eq!(wishes.again(), [Command::Republish(1, bytes.clone()), publish(2)]);
        wishes.publish_nothing();
        assert_eq!(wishes.again(), [Command::Republish(1, bytes)]);
        wishes.heard(&Update::Saved { request: 1 });
        assert_eq!(wishes.again(), []);
    }

    #[test]
    fn what_the_page_has_given_up_is_published_by_nobody() {
        let content = Content::Delete { target: EventId([1; 32]) };
        let mut wishes = Wishes::default();
        wishes.note(&Command::Publish(1, Draft { persona: Persona::Identity, content }));
        wishes.note(&invite(2));
        wishes.publish_nothing();
        assert_eq!(wishes.again(), [invite(2)]);
    }
}
