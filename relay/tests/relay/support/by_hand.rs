//! Events written field by field: what no composer makes yet, or nobody should.

use chanterelle_core::base::{BlobId, BoardName, EventId, Limits, Seconds};
use chanterelle_core::crypto::{SecretKey, event_id, open_board_id};
use chanterelle_core::event::{BlobRef, Event, Fields, Kind, Ref, rel};
use chanterelle_core::node::{Batch, Put, Ticket};
use chanterelle_core::store::Row;
use ipld_core::ipld::Ipld;
use serde_bytes::{ByteArray, Bytes};

/// What somebody may write by hand.
pub(crate) struct ByHand {
    pub(crate) seed: u8,
    pub(crate) board: &'static str,
    pub(crate) kind: Kind,
    pub(crate) thread: Option<EventId>,
    pub(crate) refs: Vec<Ref>,
    pub(crate) blobs: Vec<BlobRef>,
    pub(crate) body: Vec<(&'static str, Ipld)>,
}

impl ByHand {
    /// An opening post with attachments, by the key of `seed`.
    pub(crate) fn thread(seed: u8, board: &'static str, blobs: &[(BlobId, u64)]) -> ByHand {
        let body =
            vec![("comment", Ipld::String("a picture".to_owned())), ("salt", Ipld::Bytes(vec![0; 16]))];
        let blobs = blobs.iter().map(|&(id, size)| BlobRef { id, size }).collect();
        ByHand { seed, board, kind: Kind::THREAD, thread: None, refs: Vec::new(), blobs, body }
    }

    /// The tombstone of an opening post.
    pub(crate) fn tombstone(seed: u8, board: &'static str, target: EventId) -> ByHand {
        let refs = vec![Ref { rel: rel::DELETES.to_owned(), id: target, board: None }];
        let thread = Some(target);
        ByHand { seed, board, kind: Kind::DELETE, thread, refs, blobs: Vec::new(), body: Vec::new() }
    }

    /// Another form of an attachment of `post`, by whoever made it.
    pub(crate) fn rendition(seed: u8, board: &'static str, post: EventId, blob: (BlobId, u64)) -> ByHand {
        let refs = vec![Ref { rel: rel::RENDERS.to_owned(), id: post, board: None }];
        let text = |text: &str| Ipld::String(text.to_owned());
        let body = vec![
            ("profile", text("thumb")),
            ("source", Ipld::Bytes(vec![1; 32])),
            ("type", text("image/webp")),
        ];
        ByHand {
            kind: Kind::RENDITION,
            thread: Some(post),
            refs,
            body,
            ..ByHand::thread(seed, board, &[blob])
        }
    }

    /// Signed, as it would be stored.
    pub(crate) fn put(self) -> Put {
        let key = SecretKey::from_seed([self.seed; 32]);
        let body = self.body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let fields = Fields {
            v: 1,
            kind: self.kind,
            author: key.public(),
            acts_for: None,
            board: open_board_id(&BoardName::new(self.board).expect("a board name")),
            thread: self.thread,
            time: Seconds(1_790_000_000),
            seq: None,
            refs: self.refs,
            blobs: self.blobs,
            body: Ipld::Map(body),
            pow: None,
            ext: None,
        };
        let unsigned = serde_ipld_dagcbor::to_vec(&fields).expect("fields encode");
        let signature = key.sign(&event_id(&unsigned));
        let bytes = serde_ipld_dagcbor::to_vec(&(Bytes::new(&unsigned), ByteArray::new(signature.0)));
        let event = Event::decode(&bytes.expect("two byte strings encode"), &Limits::default());
        let event = event.expect("the event has the form of one");
        Put { row: Row::of(&event, fields.time, false), event: Some(event.bytes().clone()), from: None }
    }
}

/// A batch of events.
pub(crate) fn batch(puts: Vec<Put>) -> Batch {
    Batch { ticket: Ticket(1), strict: true, puts, state: None }
}
