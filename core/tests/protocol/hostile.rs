//! Any bytes at all: nothing panics, nothing else than what was signed is let in, and every value survives its encoding.

use std::collections::BTreeSet;

use chanterelle_core::admit::{Admission, RejectReason};
use chanterelle_core::base::Limits;
use chanterelle_core::event::{Event, Fields, check_canonical};
use chanterelle_core::store::Row;
use chanterelle_core::wire::{Deframer, Frame, FramingError, prefixed};
use ipld_core::ipld::Ipld;
use proptest::collection::vec;
use proptest::prelude::*;

use super::kit::{NOW, cbor, key, knock, knock_once};
use super::samples::{self, Signed};
use super::strategies::{damage, damaged, fields, frame, good_fields, item, laws, row};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn signed(fields: &Fields) -> Signed {
    samples::sign(serde_ipld_dagcbor::to_vec(fields).expect("fields encode"), &key(1))
}

/// Frames of a stream that comes in pieces, and what ended it.
fn deframed(stream: &[u8], cuts: &[usize], limit: usize) -> (Vec<Vec<u8>>, Option<FramingError>) {
    let mut deframer = Deframer::new(limit);
    let (mut frames, mut rest) = (Vec::new(), stream);
    let mut cuts = cuts.iter().copied().cycle();
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(cuts.next().unwrap_or(rest.len()).clamp(1, rest.len()));
        rest = later;
        deframer.push(piece);
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

proptest! {
    #![proptest_config(laws(256))]

    #[test]
    fn a_value_has_one_canonical_form(item in item(), damage in damage()) {
        let bytes = cbor(&item);
        prop_assert_eq!(check_canonical(&bytes, 16, 256), Ok(()));
        prop_assert_eq!(&serde_ipld_dagcbor::from_slice::<Ipld>(&bytes).expect("canonical"), &item);
        // What passes after damage is another value, in the one form of that value.
        let bytes = damaged(&bytes, &damage);
        if check_canonical(&bytes, 16, 256).is_ok() {
            let item: Ipld = serde_ipld_dagcbor::from_slice(&bytes).expect("canonical");
            prop_assert_eq!(cbor(&item), bytes);
        }
    }

    #[test]
    fn an_event_survives_its_encoding(fields in fields()) {
        let signed = signed(&fields);
        prop_assume!(signed.bytes.len() <= Limits::default().unknown_event_bytes);
        let event = Event::decode(&signed.bytes, &Limits::default());
        let event = event.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(event.fields(), &fields);
        prop_assert_eq!((event.id(), event.signature()), (signed.id, &signed.signature));
        prop_assert_eq!(&event.bytes()[..], signed.bytes);
        // Nothing is encoded again to verify it, but it would come out the same.
        prop_assert_eq!(serde_ipld_dagcbor::to_vec(event.fields()).expect("fields encode"), signed.unsigned);
    }

    #[test]
    fn what_keeps_the_rules_is_let_in(fields in good_fields()) {
        match knock_once(signed(&fields).bytes) {
            Admission::Accepted(event) => {
                prop_assert_eq!(event.fields(), &fields);
                prop_assert_eq!(event.body().to_ipld(), fields.body);
                prop_assert_eq!(event.body().kind(), Some(fields.kind));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_damaged_event_is_refused(fields in prop_oneof![fields(), good_fields()], damage in damage()) {
        let whole = signed(&fields).bytes;
        let bytes = damaged(&whole, &damage);
        let answer = knock(&[bytes.clone(), whole.clone()], NOW, &BTreeSet::new()).swap_remove(0);
        if bytes != whole {
            prop_assert!(matches!(answer, Admission::Rejected(_)), "{:?}", answer);
        }
    }

    /// Damage done before signing: whatever comes, the answer is typed, and what is let in is canonical.
    #[test]
    fn an_event_signed_by_a_fool_is_judged(fields in good_fields(), damage in damage()) {
        let unsigned = serde_ipld_dagcbor::to_vec(&fields).expect("fields encode");
        let bytes = samples::sign(damaged(&unsigned, &damage), &key(1)).bytes;
        match knock_once(bytes) {
            Admission::Accepted(event) | Admission::Deferred { event, .. } => {
                let again = serde_ipld_dagcbor::to_vec(event.fields()).expect("fields encode");
                prop_assert_eq!(samples::sign(again, &key(1)).id, event.id());
            }
            Admission::Rejected(_) => {}
            Admission::Duplicate(id) => prop_assert!(false, "{:?} is not held", id),
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in vec(any::<u8>(), 0..600)) {
        let limits = Limits::default();
        prop_assert!(matches!(knock_once(bytes.clone()), Admission::Rejected(RejectReason::Malformed(_))));
        for packing in 0..3 {
            let _ = Frame::decode(&[&[packing], bytes.as_slice()].concat(), &limits);
        }
        let _ = Row::unpack_all(&bytes);
        prop_assert_eq!(deframed(&bytes, &[1], 300), deframed(&bytes, &[], 300));
    }

    #[test]
    fn a_frame_survives_its_encoding(frame in frame(), damage in damage()) {
        let limits = Limits::default();
        let bytes = frame.encode(&limits);
        prop_assert!(bytes.len() <= limits.frame_bytes);
        let decoded = Frame::decode(&bytes, &limits);
        prop_assert_eq!(decoded.as_ref(), Ok(&frame));
        // Damage to what is sent, and to what was compressed.
        let plain = serde_ipld_dagcbor::to_vec(&frame).expect("frames encode");
        let plain = [&[0], damaged(&plain, &damage).as_slice()].concat();
        for bytes in [damaged(&bytes, &damage), plain] {
            if let Ok(frame) = Frame::decode(&bytes, &limits) {
                prop_assert_eq!(Frame::decode(&frame.encode(&limits), &limits), Ok(frame));
            }
        }
    }

    #[test]
    fn a_stream_is_cut_anywhere(
        frames in vec(vec(any::<u8>(), 1..400), 0..8),
        cuts in vec(1..500_usize, 0..6),
        damage in damage(),
    ) {
        let stream: Vec<u8> = frames.iter().flat_map(|frame| prefixed(frame)).collect();
        prop_assert_eq!(deframed(&stream, &cuts, 400), (frames, None));
        let stream = damaged(&stream, &damage);
        let (frames, error) = deframed(&stream, &cuts, 300);
        prop_assert!(frames.iter().all(|frame| (1..=300).contains(&frame.len())));
        prop_assert_eq!((frames, error), deframed(&stream, &[1], 300));
    }

    #[test]
    fn a_row_survives_its_packing(rows in vec(row(), 0..5), damage in damage()) {
        let mut packed = Vec::new();
        rows.iter().for_each(|row| row.pack(&mut packed));
        let unpacked = Row::unpack_all(&packed);
        prop_assert_eq!(unpacked.as_ref(), Ok(&rows));
        if let Ok(rows) = Row::unpack_all(&damaged(&packed, &damage)) {
            let mut again = Vec::new();
            rows.iter().for_each(|row| row.pack(&mut again));
            prop_assert_eq!(Row::unpack_all(&again), Ok(rows));
        }
    }
}
