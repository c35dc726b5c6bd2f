//! What a node remembers beside events: the boards its person keeps and the boards others have named.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Node;
use super::friends::RememberedFriends;
use super::producers::Producers;
use super::shuffle::Shuffles;
use crate::base::{AuthorId, BoardName};
use crate::crypto::{Verify, open_board_id};
use crate::wire::Frame;

/// The remembered value, stored with [`super::Batch::state`]. Local to a storage.
#[derive(Default, Serialize, Deserialize)]
struct Remembered {
    subscriptions: Vec<BoardName>,
    directory: Vec<BoardName>,
    #[serde(default)]
    friends: RememberedFriends,
    /// For an identity that was restored: whether what was held before has been looked through for its events.
    #[serde(default)]
    recognised: Option<bool>,
    /// Whose renditions are believed, the last met last.
    #[serde(default)]
    producers: Vec<AuthorId>,
    /// Peer records of those who were neighbours last.
    #[serde(default)]
    anchors: Vec<ByteBuf>,
}

/// The state of a storage that is given to another identity: that of a backup, if there is one, with the boards and
/// relays that are known here beside. What belonged to the person before is left out.
#[must_use]
pub fn take_over(here: Option<&[u8]>, backup: Option<&[u8]>) -> Vec<u8> {
    let (here, mut state) = (Remembered::read(here), Remembered::read(backup));
    state.subscribe_also(here.subscriptions);
    state.directory = here.directory;
    state.friends.know_also(here.friends.known());
    state.recognised = Some(false);
    state.encode()
}

/// The state of a storage that is given a backup of the identity it has: what is here, and of the backup what is not.
#[must_use]
pub fn add_backup(here: Option<&[u8]>, backup: &[u8]) -> Vec<u8> {
    let (mut state, backup) = (Remembered::read(here), Remembered::read(Some(backup)));
    state.subscribe_also(backup.subscriptions);
    state.friends.add(backup.friends);
    state.encode()
}

impl Remembered {
    /// A damaged state costs the list of boards, which can be opened again; it must not cost the start.
    fn read(bytes: Option<&[u8]>) -> Self {
        bytes.and_then(|bytes| serde_ipld_dagcbor::from_slice(bytes).ok()).unwrap_or_default()
    }

    fn encode(&self) -> Vec<u8> {
        serde_ipld_dagcbor::to_vec(self).expect("names encode")
    }

    fn subscribe_also(&mut self, names: Vec<BoardName>) {
        for name in names {
            if !self.subscriptions.contains(&name) {
                self.subscriptions.push(name);
            }
        }
    }
}

impl<V: Verify> Node<V> {
    pub(super) fn on_restored(&mut self, state: Option<&[u8]>) {
        let state = Remembered::read(state);
        for name in state.subscriptions {
            self.subscriptions.insert(open_board_id(&name), name);
        }
        for name in state.directory {
            self.directory.insert(name);
        }
        self.friends.restore(state.friends, &self.limits);
        self.recognise_held(state.recognised);
        self.producers = Producers::restored(state.producers, &self.limits);
        self.shuffles = Shuffles::restored(&state.anchors);
        self.restored = true;
        self.offer_unsent_to_all();
        self.views.all_changed();
    }

    /// The state to store.
    pub(super) fn remembered(&self) -> Vec<u8> {
        let state = Remembered {
            subscriptions: self.subscriptions.values().cloned().collect(),
            directory: self.directory.names().cloned().collect(),
            friends: self.friends.remembered(),
            recognised: self.recognise.remembered(),
            producers: self.producers.remembered(),
            anchors: self.shuffles.remembered(),
        };
        state.encode()
    }

    pub(super) fn subscribe(&mut self, name: BoardName) {
        let board = open_board_id(&name);
        if self.subscriptions.insert(board, name).is_none() {
            self.interest_changed();
            self.views.board_changed(&board);
        }
    }

    pub(super) fn unsubscribe(&mut self, name: &BoardName) {
        let board = open_board_id(name);
        if self.subscriptions.remove(&board).is_some() {
            self.interest_changed();
            self.views.board_changed(&board);
        }
    }

    /// Takes note of boards a peer has named; whether one was news.
    pub(super) fn on_directory(&mut self, names: Vec<BoardName>) -> bool {
        let mut news = false;
        for name in names {
            for board in self.directory.insert(name) {
                news = true;
                self.persist.remember();
                self.views.board_changed(&board);
            }
        }
        news
    }

    /// The names of boards held here, the latest used first, as many as one frame takes.
    pub(super) fn directory_frame(&self) -> Option<Frame> {
        let mut boards: Vec<_> =
            self.index.boards().filter_map(|(_, board)| Some((board.last()?, board.name()?))).collect();
        boards.sort_unstable_by(|a, b| b.cmp(a));
        boards.truncate(self.limits.frame_boards);
        let names: Vec<BoardName> = boards.into_iter().map(|(_, name)| name.clone()).collect();
        (!names.is_empty()).then_some(Frame::Directory { names })
    }

    fn interest_changed(&mut self) {
        self.persist.remember();
        let frame = self.interest_frame();
        let ready: Vec<_> = self.ready_peers().collect();
        for peer in ready {
            self.send(peer, &frame);
            self.plan_scopes(peer);
        }
        self.subscriptions_changed();
    }
}
