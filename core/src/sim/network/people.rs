//! What people do in a run: open threads, reply, edit, withdraw.

use super::{Coming, Network};
use crate::base::{BoardName, EventId};
use crate::crypto::open_board_id;
use crate::event::{Content, Draft, Kind, Persona};
use crate::node::{Command, Input};

impl Network<'_> {
    pub(super) fn write(&mut self) {
        if !self.is_active() {
            return;
        }
        let gap = 60_000 / self.scenario.posts_per_minute.max(1);
        let at = self.later((gap / 2, gap + gap / 2));
        self.schedule(at, Coming::Write);
        let peer = self.rng.below(self.peers.len() as u64) as usize;
        let boards: Vec<BoardName> = self.peers[peer].boards.iter().cloned().collect();
        let Some(node) = self.peers[peer].node.as_ref() else { return };
        if boards.is_empty() {
            return;
        }
        let board = boards[self.rng.below(boards.len() as u64) as usize].clone();
        let known = self.threads.get(&board).map(Vec::as_slice).unwrap_or_default();
        let held: Vec<EventId> = known.iter().filter(|id| node.index().contains(id)).copied().collect();
        let comment = format!("written at {} by {peer}", self.now.0);
        let content = if held.is_empty() || self.rng.below(5) == 0 {
            Content::Thread { board, subject: None, comment, files: Vec::new() }
        } else {
            let thread = held[self.rng.below(held.len() as u64) as usize];
            let own = node.index().unsent().find(|row| row.kind() == Kind::POST).map(|row| row.id());
            match (self.rng.below(10), own) {
                (0, Some(target)) => Content::Edit { target, comment, subject: None },
                (1, Some(target)) => Content::Delete { target },
                _ => {
                    let comment = format!(">>{}\n{comment}", thread.short());
                    let board = open_board_id(&board);
                    Content::Post {
                        board,
                        thread,
                        comment,
                        sage: false,
                        quotes: vec![thread],
                        files: Vec::new(),
                    }
                }
            }
        };
        let draft = Draft { persona: Persona::Pseudonym, content };
        self.input(peer, Input::Command(Command::Publish(0, draft)));
    }

    pub(super) fn on_published(&mut self, peer: usize, event: EventId) {
        let row = self.peers[peer].node.as_ref().and_then(|node| Some(node.index().get(&event)?.to_row()));
        let Some(row) = row else { return };
        let boards = &self.peers[peer].boards;
        let board = boards.iter().find(|name| open_board_id(name) == row.board).cloned();
        let Some(board) = board else { return };
        if row.kind == Kind::THREAD {
            self.threads.entry(board.clone()).or_default().push(event);
        }
        self.written.insert(event, (self.now, board));
    }
}
