//! What a page wants of the node, whichever worker runs it: told again to every node that takes over.

use chanterelle_core::node::{Command, Target, Update, ViewId};
use vecmap::VecMap;

/// What one page has open and waits for.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    open: VecMap<ViewId, Target>,
    /// Commands that are answered, until they are.
    asked: VecMap<u32, Command>,
    /// Other commands for which no node was there yet.
    waiting: Vec<Command>,
}

impl Wishes {
    /// Takes note of a command. `heard` when a node gets it now.
    pub(super) fn note(&mut self, command: &Command, heard: bool) {
        match command {
            Command::Open(view, target) => {
                self.open.insert(*view, target.clone());
            }
            Command::Close(view) => {
                self.open.remove(view);
            }
            Command::Publish(request, _) | Command::Invite { request, .. } => {
                self.asked.insert(*request, command.clone());
            }
            _ if !heard => self.waiting.push(command.clone()),
            _ => {}
        }
    }

    /// Takes note of what the node told the page.
    pub(super) fn heard(&mut self, update: &Update) {
        if let Update::Published { request, .. }
        | Update::Refused { request, .. }
        | Update::Invited { request, .. } = update
        {
            self.asked.remove(request);
        }
    }

    /// Everything a node has to be told that knows nothing of the page. What was published and not answered is among
    /// it: a node answers before it begins to store or to send, so what it did not answer it has not done.
    pub(super) fn again(&mut self) -> Vec<Command> {
        let waiting = std::mem::take(&mut self.waiting);
        let open = self.open.iter().map(|(view, target)| Command::Open(*view, target.clone()));
        waiting.into_iter().chain(open).chain(self.asked.values().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::{BoardName, EventId};
    use chanterelle_core::node::{Command, Target, Update};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::Wishes;

    fn invite(request: u32) -> Command {
        Command::Invite { request, board: None }
    }

    #[test]
    fn what_is_open_and_unanswered_is_told_to_every_node_and_the_rest_once() {
        let subscribe = Command::Subscribe(BoardName::new("birch").expect("a board name"));
        let mut wishes = Wishes::default();
        wishes.note(&subscribe, false);
        wishes.note(&Command::Open(1, Target::Boards), false);
        wishes.note(&Command::Open(2, Target::Person), true);
        wishes.note(&Command::Open(2, Target::Post(EventId([1; 32]))), true);
        wishes.note(&Command::Open(3, Target::Boards), true);
        wishes.note(&Command::Close(3), true);
        wishes.note(&invite(7), true);
        wishes.note(&invite(8), true);
        wishes.note(&Command::RenewCode, true);
        wishes.heard(&Update::Invited { request: 7, code: None });
        let first = vec![
            subscribe,
            Command::Open(1, Target::Boards),
            Command::Open(2, Target::Post(EventId([1; 32]))),
            invite(8),
        ];
        assert_eq!(wishes.again(), first);
        assert_eq!(wishes.again(), first[1..]);
    }
}
