//! The vector file: its form, and building it from the samples. Shared by the test that compares and the example that
//! prints.

use std::collections::BTreeMap;

use chanterelle_core::base::{EventId, Limits, PeerId, Seconds};
use chanterelle_core::crypto::SecretKey;
use chanterelle_core::event::Fields;
use chanterelle_core::invite::{ConnectCode, FriendCode, Half};
use chanterelle_core::store::{Index, Marks, Row};
use chanterelle_core::sync::Reconciler;
use chanterelle_core::wire::{Frame, Scope, prefixed};
use data_encoding::HEXLOWER;
use ipld_core::ipld::Ipld;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::media::{self, BlobVector};
use super::notation::to_json;
use super::samples;

/// The whole file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Vectors {
    pub(super) about: String,
    pub(super) events: Vec<EventVector>,
    pub(super) frames: Vec<FrameVector>,
    pub(super) media: Vec<FrameVector>,
    pub(super) blobs: Vec<BlobVector>,
    pub(super) codes: Vec<CodeVector>,
    pub(super) records: Vec<RecordVector>,
    pub(super) peers: Vec<PeerVector>,
    pub(super) connects: Vec<ConnectVector>,
    pub(super) reconciliations: Vec<ReconciliationVector>,
    pub(super) rows: Vec<RowVector>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EventVector {
    pub(super) name: String,
    /// The Ed25519 seed of the author.
    pub(super) seed: String,
    /// What is signed, in the notation.
    pub(super) fields: Value,
    /// `fields` in DAG-CBOR.
    pub(super) unsigned: String,
    pub(super) id: String,
    pub(super) signature: String,
    /// What is stored and sent.
    pub(super) event: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FrameVector {
    pub(super) name: String,
    /// In the notation.
    pub(super) frame: Value,
    /// `frame` in DAG-CBOR.
    pub(super) plain: String,
    /// What goes onto the stream: length, packing, payload; of a media frame there is no packing. When the payload is
    /// compressed, other bytes that inflate to `plain` are as good.
    pub(super) stream: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CodeVector {
    pub(super) name: String,
    /// The Ed25519 seed of whoever signs.
    pub(super) seed: String,
    /// What is signed, in the notation.
    pub(super) fields: Value,
    /// `fields` in DAG-CBOR.
    pub(super) unsigned: String,
    /// The friend code.
    pub(super) text: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RecordVector {
    pub(super) name: String,
    /// The Ed25519 seed of the identity.
    pub(super) seed: String,
    /// The reach secret.
    pub(super) reach: String,
    pub(super) time: u64,
    pub(super) nonce: String,
    /// What is sealed, in the notation.
    pub(super) place: Value,
    /// Where the record lies.
    pub(super) slot: String,
    /// What is sent.
    pub(super) record: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PeerVector {
    pub(super) name: String,
    /// The Ed25519 seed of the peer.
    pub(super) seed: String,
    /// What is signed, in the notation.
    pub(super) fields: Value,
    /// `fields` in DAG-CBOR.
    pub(super) unsigned: String,
    /// What is sent.
    pub(super) record: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ConnectVector {
    pub(super) name: String,
    /// The Ed25519 seed of the peer.
    pub(super) seed: String,
    /// What is signed, in the notation.
    pub(super) fields: Value,
    /// `fields` in DAG-CBOR.
    pub(super) unsigned: String,
    /// What is signed of it, and what an answer names its offer by.
    pub(super) hash: String,
    /// The connect code.
    pub(super) text: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ReconciliationVector {
    pub(super) name: String,
    /// Events of the side that begins.
    pub(super) ours: Vec<Stamp>,
    pub(super) theirs: Vec<Stamp>,
    /// Negentropy messages in turn, the first from the side that begins.
    pub(super) messages: Vec<String>,
    /// Ids only the side that begins has.
    pub(super) have: Vec<String>,
    /// Ids only the other side has.
    pub(super) need: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub(super) time: u64,
    pub(super) id: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RowVector {
    pub(super) name: String,
    pub(super) row: RowFields,
    /// The packed row.
    pub(super) packed: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RowFields {
    id: String,
    author: String,
    board: String,
    thread: Option<String>,
    kind: u16,
    time: u64,
    seq: u64,
    first_seen: u64,
    size: u32,
    sage: bool,
    own: bool,
    sent: bool,
    salt: Option<String>,
    board_name: Option<String>,
    /// Who, and whether no longer.
    follow: Option<(String, bool)>,
    refs: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<String>,
}

const ABOUT: &str = "Published bytes of the Chanterelle protocol; docs/protocol.md says what they are, how to \
    check them with other software and how they are made. A byte string is written {\"bytes\": \"<hexadecimal>\"}. Byte n \
    of a blob is n modulo 251.";

pub(super) fn build() -> Vectors {
    Vectors {
        about: ABOUT.to_owned(),
        events: samples::events().iter().map(event).collect(),
        frames: samples::frames().iter().map(|(name, sample)| frame(name, sample)).collect(),
        media: media::frames().into_iter().map(media::frame).collect(),
        blobs: media::blobs(),
        codes: samples::codes().into_iter().map(code).collect(),
        records: vec![record()],
        peers: vec![peer_record()],
        connects: samples::connect_codes().into_iter().map(connect).collect(),
        reconciliations: vec![
            reconciliation("few", &[(1, 1), (2, 2), (3, 3)], &[(1, 1), (2, 9), (3, 3), (3, 4)]),
            reconciliation("equal", &many(0..100), &many(0..100)),
            reconciliation("many", &many(0..100), &many(3..110)),
            reconciliation("none-and-many", &[], &many(0..40)),
        ],
        rows: samples::rows().iter().map(|(name, sample)| row(name, sample)).collect(),
    }
}

fn event(sample: &samples::Sample) -> EventVector {
    let signed = sample.signed();
    EventVector {
        name: sample.name.to_owned(),
        seed: HEXLOWER.encode(&sample.seed),
        fields: fields(&sample.fields),
        unsigned: HEXLOWER.encode(&signed.unsigned),
        id: signed.id.to_string(),
        signature: HEXLOWER.encode(signed.signature.as_bytes()),
        event: HEXLOWER.encode(&signed.bytes),
    }
}

/// The fields as a map of plain values, made without the encoder that makes the bytes.
fn fields(fields: &Fields) -> Value {
    to_json(&ipld_core::serde::to_ipld(fields).expect("fields are plain values"))
}

fn frame(name: &str, frame: &Frame) -> FrameVector {
    let encoded = frame.encode(&Limits::default());
    let item: Ipld = ipld_core::serde::to_ipld(frame).expect("frames are plain values");
    FrameVector {
        name: name.to_owned(),
        frame: to_json(&item),
        plain: HEXLOWER.encode(&serde_ipld_dagcbor::to_vec(frame).expect("frames encode")),
        stream: HEXLOWER.encode(&prefixed(&encoded)),
    }
}

fn code((name, code): (&'static str, FriendCode)) -> CodeVector {
    CodeVector {
        name: name.to_owned(),
        seed: HEXLOWER.encode(&samples::INVITER),
        fields: to_json(&ipld_core::serde::to_ipld(&code).expect("codes are plain values")),
        unsigned: HEXLOWER.encode(&serde_ipld_dagcbor::to_vec(&code).expect("codes encode")),
        text: code.sign(&SecretKey::from_seed(samples::INVITER)),
    }
}

fn record() -> RecordVector {
    let record = samples::record();
    RecordVector {
        name: "record".to_owned(),
        seed: HEXLOWER.encode(&samples::INVITER),
        reach: HEXLOWER.encode(&samples::REACH.0),
        time: samples::TIME.0,
        nonce: HEXLOWER.encode(&samples::NONCE),
        place: to_json(&ipld_core::serde::to_ipld(samples::place()).expect("places are plain values")),
        slot: record.slot().to_string(),
        record: HEXLOWER.encode(record.bytes()),
    }
}

fn peer_record() -> PeerVector {
    let record = samples::peer_record();
    let bytes = |bytes: &[u8]| Ipld::Bytes(bytes.to_vec());
    let relays = record.relays().iter().map(|relay| bytes(relay.as_bytes())).collect();
    let fields = BTreeMap::from([
        ("v".to_owned(), Ipld::Integer(1)),
        ("peer".to_owned(), bytes(&record.peer().0)),
        ("time".to_owned(), Ipld::Integer(record.time().0.into())),
        ("relays".to_owned(), Ipld::List(relays)),
    ]);
    let fields = Ipld::Map(fields);
    PeerVector {
        name: "peer-record".to_owned(),
        seed: HEXLOWER.encode(&samples::PEER),
        fields: to_json(&fields),
        unsigned: HEXLOWER.encode(&serde_ipld_dagcbor::to_vec(&fields).expect("plain values encode")),
        record: HEXLOWER.encode(record.bytes()),
    }
}

fn connect((name, code): (&'static str, ConnectCode)) -> ConnectVector {
    let bytes = |bytes: &[u8]| Ipld::Bytes(bytes.to_vec());
    let description = ipld_core::serde::to_ipld(&code.description).expect("descriptions are plain values");
    let mut fields = BTreeMap::from([
        ("v".to_owned(), Ipld::Integer(1)),
        ("peer".to_owned(), bytes(&code.peer.0)),
        ("description".to_owned(), description),
    ]);
    if let Half::Answer(offer) = &code.half {
        fields.insert("of".to_owned(), bytes(offer));
    }
    let fields = Ipld::Map(fields);
    let (text, hash) = code.sign(|hash| samples::peer_key().sign_hash(hash).0);
    ConnectVector {
        name: name.to_owned(),
        seed: HEXLOWER.encode(&samples::PEER),
        fields: to_json(&fields),
        unsigned: HEXLOWER.encode(&serde_ipld_dagcbor::to_vec(&fields).expect("plain values encode")),
        hash: HEXLOWER.encode(&hash),
        text,
    }
}

fn row(name: &str, row: &Row) -> RowVector {
    let mut packed = Vec::new();
    row.pack(&mut packed);
    let Marks { pinned, followed, withheld } = row.marks;
    let marks = [("pinned", pinned), ("followed", followed), ("withheld", withheld)];
    RowVector {
        name: name.to_owned(),
        row: RowFields {
            id: row.id.to_string(),
            author: row.author.to_string(),
            board: row.board.to_string(),
            thread: row.thread.map(|thread| thread.to_string()),
            kind: row.kind.0,
            time: row.time.0,
            seq: row.seq,
            first_seen: row.first_seen.0,
            size: row.size,
            sage: row.sage,
            own: row.own,
            sent: row.sent,
            salt: row.salt.map(|salt| HEXLOWER.encode(&salt)),
            board_name: row.board_name.as_ref().map(ToString::to_string),
            follow: row.follow.as_deref().map(|(who, ended)| (who.to_string(), *ended)),
            refs: row
                .refs
                .iter()
                .map(|(rel, id)| (format!("{rel:?}").to_lowercase(), id.to_string()))
                .collect(),
            marks: marks.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned()).collect(),
        },
        packed: HEXLOWER.encode(&packed),
    }
}

/// Several events a second, so that bounds need a part of an id.
fn many(range: core::ops::Range<u8>) -> Vec<(u64, u8)> {
    range.map(|n| (u64::from(n) / 8, n)).collect()
}

fn reconciliation(name: &str, ours: &[(u64, u8)], theirs: &[(u64, u8)]) -> ReconciliationVector {
    let scope = Scope::Board(samples::mushrooms());
    let stamp = |&(time, n): &(u64, u8)| (samples::TIME.plus(time), EventId([n.wrapping_mul(151); 32]));
    let index = |stamps: &[(u64, u8)]| {
        let mut index = Index::default();
        let row = Row::of(&samples::event("post"), samples::TIME, false);
        stamps.iter().map(stamp).for_each(|(time, id)| drop(index.insert(Row { time, id, ..row.clone() })));
        index
    };
    let (here, there) = (index(ours), index(theirs));
    let [mut begins, mut answers] = [(); 2].map(|()| Reconciler::new(Limits::default().reconcile_bytes));
    let peer = PeerId([0; 32]);
    let (call, first) = begins.begin(&here, peer, scope);
    let (mut messages, mut have, mut need) = (vec![first], Vec::new(), Vec::new());
    loop {
        let message = messages.last().expect("one at least");
        let answer = answers.answer(&there, scope, message).expect("an honest message");
        let (_, difference) = begins.resume(&here, peer, call, &answer).expect("an honest answer");
        messages.push(answer);
        have.extend(difference.have);
        need.extend(difference.need);
        match difference.next {
            Some(next) => messages.push(next),
            None => break,
        }
    }
    have.sort_unstable();
    need.sort_unstable();
    let stamps = |stamps: &[(u64, u8)]| -> Vec<Stamp> {
        let shown = |(time, id): (Seconds, EventId)| Stamp { time: time.0, id: id.to_string() };
        stamps.iter().map(stamp).map(shown).collect()
    };
    let hex = |ids: &[EventId]| ids.iter().map(ToString::to_string).collect();
    ReconciliationVector {
        name: name.to_owned(),
        ours: stamps(ours),
        theirs: stamps(theirs),
        messages: messages.iter().map(|message| HEXLOWER.encode(message)).collect(),
        have: hex(&have),
        need: hex(&need),
    }
}
