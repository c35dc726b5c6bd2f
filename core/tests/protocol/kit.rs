//! Makes events, good and bad, and takes them to the door.

use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::admit::{Admission, Door, RejectReason, admit};
use chanterelle_core::base::{EventId, Limits, Seconds};
use chanterelle_core::crypto::{SecretKey, Zip215};
use chanterelle_core::event::Event;
use ipld_core::ipld::Ipld;

use super::samples::{self, Signed, TIME};

/// The local clock: an hour after the samples were written.
pub(super) const NOW: Seconds = Seconds(TIME.0 + 3600);

/// The fields of an event as a map.
pub(super) type Map = BTreeMap<String, Ipld>;

pub(super) fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

pub(super) fn cbor(item: &Ipld) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(item).expect("plain values encode")
}

/// The fields of a sample and the key that signs them.
pub(super) fn fields(name: &str) -> (Map, SecretKey) {
    let sample = samples::events().into_iter().find(|sample| sample.name == name).expect("a sample");
    match ipld_core::serde::to_ipld(&sample.fields).expect("fields are plain values") {
        Ipld::Map(fields) => (fields, sample.key),
        other => panic!("fields are a map, not {other:?}"),
    }
}

/// A sample whose fields were changed before it was signed.
pub(super) fn changed(name: &str, change: impl FnOnce(&mut Map)) -> Vec<u8> {
    let (mut fields, key) = fields(name);
    change(&mut fields);
    samples::sign(cbor(&Ipld::Map(fields)), &key).bytes
}

/// A sample with one field set.
pub(super) fn with(name: &str, field: &str, value: impl Into<Ipld>) -> Vec<u8> {
    changed(name, |fields| drop(fields.insert(field.to_owned(), value.into())))
}

/// A sample without one field.
pub(super) fn without(name: &str, field: &str) -> Vec<u8> {
    changed(name, |fields| assert!(fields.remove(field).is_some(), "{name} has no {field}"))
}

/// A sample whose body has one field more, or another.
pub(super) fn with_body(name: &str, field: &str, value: impl Into<Ipld>) -> Vec<u8> {
    changed(name, |fields| drop(map(fields, "body").insert(field.to_owned(), value.into())))
}

/// A sample whose body lacks a field.
pub(super) fn without_body(name: &str, field: &str) -> Vec<u8> {
    changed(name, |fields| assert!(map(fields, "body").remove(field).is_some(), "{name} has no {field}"))
}

/// The map in a field.
pub(super) fn map<'a>(fields: &'a mut Map, field: &str) -> &'a mut Map {
    match fields.get_mut(field) {
        Some(Ipld::Map(map)) => map,
        other => panic!("{field} is a map, not {other:?}"),
    }
}

/// The samples as they are signed, by name.
pub(super) fn signed(name: &str) -> Signed {
    samples::events().into_iter().find(|sample| sample.name == name).expect("a sample").signed()
}

/// Takes a batch to the door of a peer that holds `held`.
pub(super) fn knock(batch: &[Vec<u8>], now: Seconds, held: &BTreeSet<EventId>) -> Vec<Admission> {
    let limits = Limits::default();
    let held = |id: &EventId| held.contains(id);
    admit(batch, &Door { limits: &limits, now, held: &held }, &mut Zip215)
}

/// Takes one event to the door of a peer that holds nothing.
pub(super) fn knock_once(bytes: Vec<u8>) -> Admission {
    knock(&[bytes], NOW, &BTreeSet::new()).pop().expect("an answer each")
}

/// The event, which must be let in.
#[track_caller]
pub(super) fn accepted(what: &str, bytes: Vec<u8>) -> Event {
    match knock_once(bytes.clone()) {
        Admission::Accepted(event) => {
            assert_eq!(event.bytes()[..], bytes, "{what}");
            event
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// Each must be refused for its reason, between two good events that are let in all the same.
#[track_caller]
pub(super) fn refused(cases: impl IntoIterator<Item = (&'static str, Vec<u8>, RejectReason)>) {
    let (before, after) = (signed("thread"), signed("profile"));
    for (what, bytes, reason) in cases {
        let batch = [before.bytes.clone(), bytes, after.bytes.clone()];
        let answers = knock(&batch, NOW, &BTreeSet::new());
        assert_eq!(answers[1], Admission::Rejected(reason), "{what}");
        let ids = [before.id, after.id];
        for (answer, id) in [&answers[0], &answers[2]].into_iter().zip(ids) {
            assert!(matches!(answer, Admission::Accepted(event) if event.id() == id), "{what}: {answer:?}");
        }
    }
}
