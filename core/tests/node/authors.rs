//! Writers elsewhere: whatever another peer's person, honest or not, could have signed.

use chanterelle_core::base::{BoardId, BoardName, EventId, Limits, Seconds, ThreadId};
use chanterelle_core::crypto::{SecretKey, Signature, event_id, no_board, open_board_id};
use chanterelle_core::event::{Event, Fields, Kind, Ref, rel};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use serde_bytes::{ByteArray, ByteBuf, Bytes};

/// Somebody with a key of their own.
pub(super) struct Author(pub(super) SecretKey);

pub(super) fn author(number: u8) -> Author {
    Author(SecretKey::from_seed([number; 32]))
}

pub(super) fn name(text: &str) -> BoardName {
    BoardName::new(text).expect("a board name")
}

pub(super) fn board(text: &str) -> BoardId {
    open_board_id(&name(text))
}

pub(super) fn reference(role: &str, id: EventId) -> Ref {
    Ref { rel: role.to_owned(), id, board: None }
}

/// The bytes of events as a frame carries them.
pub(super) fn carried<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<ByteBuf> {
    events.into_iter().map(|event| ByteBuf::from(event.bytes().to_vec())).collect()
}

/// The event with a signature that is not its author's.
pub(super) fn missigned(event: &Event) -> Vec<u8> {
    let mut signature = *event.signature();
    signature.0[0] ^= 1;
    let (unsigned, _) = parts(event.bytes());
    envelope(&unsigned, &signature)
}

impl Author {
    /// Opens a thread on the open board of that name.
    pub(super) fn thread(&self, board_name: &str, comment: &str, time: Seconds) -> Event {
        let body = ipld!({
            "board_name": board_name,
            "comment": comment,
            "salt": Ipld::Bytes(vec![7; 16]),
        });
        self.event(Kind::THREAD, time, |fields| {
            fields.board = board(board_name);
            fields.body = body;
        })
    }

    /// Replies to a thread.
    pub(super) fn reply(&self, board: BoardId, thread: ThreadId, comment: &str, time: Seconds) -> Event {
        self.quoting(board, thread, comment, time, Vec::new())
    }

    /// Replies with references.
    pub(super) fn quoting(
        &self,
        board: BoardId,
        thread: ThreadId,
        comment: &str,
        time: Seconds,
        refs: Vec<Ref>,
    ) -> Event {
        self.event(Kind::POST, time, |fields| {
            fields.board = board;
            fields.thread = Some(thread);
            fields.refs = refs;
            fields.body = ipld!({ "comment": comment });
        })
    }

    /// Replies without bumping.
    pub(super) fn sage(&self, board: BoardId, thread: ThreadId, comment: &str, time: Seconds) -> Event {
        self.event(Kind::POST, time, |fields| {
            fields.board = board;
            fields.thread = Some(thread);
            fields.body = ipld!({ "comment": comment, "sage": true });
        })
    }

    /// Replaces the text of a post, whoever wrote it.
    pub(super) fn edit(&self, post: &Event, seq: u64, comment: &str, time: Seconds) -> Event {
        self.event(Kind::EDIT, time, |fields| {
            fields.board = post.fields().board;
            fields.thread = post.fields().thread.or(Some(post.id()));
            fields.seq = Some(seq);
            fields.refs = vec![reference(rel::EDITS, post.id())];
            fields.body = ipld!({ "comment": comment });
        })
    }

    /// Withdraws a post, whoever wrote it.
    pub(super) fn delete(&self, post: &Event, time: Seconds) -> Event {
        self.event(Kind::DELETE, time, |fields| {
            fields.board = post.fields().board;
            fields.thread = post.fields().thread.or(Some(post.id()));
            fields.refs = vec![reference(rel::DELETES, post.id())];
            fields.body = ipld!({});
        })
    }

    /// An event of any form; `fill` sets what its kind needs.
    pub(super) fn event(&self, kind: Kind, time: Seconds, fill: impl FnOnce(&mut Fields)) -> Event {
        let mut fields = Fields {
            v: 1,
            kind,
            author: self.0.public(),
            acts_for: None,
            board: no_board(),
            thread: None,
            time,
            seq: None,
            refs: Vec::new(),
            blobs: Vec::new(),
            body: ipld!({}),
            pow: None,
            ext: None,
        };
        fill(&mut fields);
        let unsigned = serde_ipld_dagcbor::to_vec(&fields).expect("fields encode");
        let signature = self.0.sign(&event_id(&unsigned));
        let bytes = envelope(&unsigned, &signature);
        Event::decode(&bytes, &Limits::default()).expect("a well-formed event")
    }
}

fn envelope(unsigned: &[u8], signature: &Signature) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(&(Bytes::new(unsigned), ByteArray::new(signature.0))).expect("bytes encode")
}

fn parts(bytes: &[u8]) -> (ByteBuf, ByteBuf) {
    serde_ipld_dagcbor::from_slice(bytes).expect("a pair of byte strings")
}
