//! Somebody who writes: signed events without a network, as a tab's node makes them.

use chanterelle_core::Node;
use chanterelle_core::base::{BoardName, Instant, Limits, Now, PeerId, Seconds};
use chanterelle_core::crypto::{Identity, Root};
use chanterelle_core::event::{Content, Draft, Persona};
use chanterelle_core::node::{Command, Input, Output, Put, Setup};
use chanterelle_core::wire::Role;

/// Signs `count` opening posts on `board`, written by the person of `seed` at the time `now`. Each is a row and its
/// bytes, as they would be stored.
pub(crate) fn threads(seed: u8, board: &str, count: usize, now: Seconds, comment: &str) -> Vec<Put> {
    let now = Now { instant: Instant(0), unix: now };
    let setup = Setup {
        seed: [seed; 32],
        peer: PeerId([seed; 32]),
        role: Role::Tab,
        identity: Some(Identity::from_root(Root([seed; 32]))),
        agent: "author".to_owned(),
        limits: Limits::default(),
    };
    let mut node = Node::new(setup, now);
    let board = BoardName::new(board).expect("the test's board name is valid");
    let mut puts = Vec::with_capacity(count);
    node.handle(now, Input::Restored(None));
    for request in 0..count {
        let content = Content::Thread {
            board: board.clone(),
            subject: None,
            comment: format!("{comment} {request}"),
            files: Vec::new(),
        };
        let draft = Draft { persona: Persona::Pseudonym, content };
        let request = u32::try_from(request).expect("tests write less");
        node.handle(now, Input::Command(Command::Publish(request, draft)));
        while let Some(output) = node.poll_output() {
            if let Output::Persist(batch) = output {
                puts.extend(batch.puts);
                node.handle(now, Input::Persisted(batch.ticket, Ok(())));
            }
        }
    }
    assert_eq!(puts.len(), count, "every draft became one event");
    puts
}
