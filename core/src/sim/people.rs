//! What people do in a run: open threads, reply, edit, withdraw.

use super::peer::Brain;
use super::serve::Hand;
use crate::base::EventId;
use crate::event::{Content, Draft, Kind, Persona};
use crate::node::Command;

/// What the person of a peer writes now; nothing where none reads or the peer is down.
pub(super) fn what_to_write(hand: &mut Hand<'_>) -> Option<Command> {
    let (now, peer, shared) = (hand.now, &mut *hand.peer, hand.shared);
    let Brain::Node(node) = &peer.brain else { return None };
    if peer.boards.is_empty() {
        return None;
    }
    let number = peer.boards[peer.dice.below(peer.boards.len() as u64) as usize];
    let (name, board) = &shared.boards[usize::from(number)];
    let known = shared.threads[usize::from(number)].iter();
    let held: Vec<EventId> = known.filter(|id| node.index().contains(id)).copied().collect();
    let comment = format!("written at {} by {}", now.0, peer.number);
    let content = if held.is_empty() || peer.dice.below(5) == 0 {
        Content::Thread { board: name.clone(), subject: None, comment, files: Vec::new() }
    } else {
        let thread = held[peer.dice.below(held.len() as u64) as usize];
        let own = node.index().unsent().find(|row| row.kind() == Kind::POST).map(|row| row.id());
        match (peer.dice.below(10), own) {
            (0, Some(target)) => Content::Edit { target, comment, subject: None },
            (1, Some(target)) => Content::Delete { target },
            _ => Content::Post {
                board: *board,
                thread,
                comment: format!(">>{}\n{comment}", thread.short()),
                sage: false,
                quotes: vec![thread],
                files: Vec::new(),
            },
        }
    };
    Some(Command::Publish(0, Draft { persona: Persona::Pseudonym, content }))
}
