//! Golden bytes: `vectors/protocol.json` against the code, in both directions. Whoever changes them changes what peers
//! say to each other, or makes stored rows unreadable.

use chanterelle_core::base::Limits;
use chanterelle_core::crypto::{SecretKey, blinded, connect_code_hash, event_id, peer_record_hash, verify};
use chanterelle_core::event::{Event, Fields};
use chanterelle_core::gossip::PeerRecord;
use chanterelle_core::invite::{ConnectCode, FriendCode, Half, ReachRecord, days};
use chanterelle_core::media::MediaFrame;
use chanterelle_core::media::tree::{GROUP_BYTES, blob_id, verify as verify_slice};
use chanterelle_core::store::Row;
use chanterelle_core::wire::{Deframer, Frame};
use data_encoding::HEXLOWER;
use miniz_oxide::inflate::decompress_to_vec;
use serde::Deserialize;
use serde_bytes::{ByteArray, Bytes};

use super::media;
use super::notation::from_json;
use super::samples;
use super::vectors::{self, Vectors};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn golden() -> Vectors {
    serde_json::from_str(include_str!("../vectors/protocol.json")).expect("the vector file is well-formed")
}

fn unhex(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("the vector file is lower-case hexadecimal")
}

/// What the code makes is what is published, nothing more and nothing less.
#[test]
fn encoding_gives_the_published_bytes() {
    let (golden, built) = (golden(), vectors::build());
    for (golden, built) in golden.events.iter().zip(&built.events) {
        assert_eq!(golden, built, "event {}", golden.name);
    }
    for (golden, built) in golden.frames.iter().zip(&built.frames) {
        assert_eq!(golden, built, "frame {}", golden.name);
    }
    for (golden, built) in golden.media.iter().zip(&built.media) {
        assert_eq!(golden, built, "media frame {}", golden.name);
    }
    for (golden, built) in golden.blobs.iter().zip(&built.blobs) {
        assert_eq!(golden, built, "blob {}", golden.name);
    }
    for (golden, built) in golden.rows.iter().zip(&built.rows) {
        assert_eq!(golden, built, "row {}", golden.name);
    }
    for (golden, built) in golden.reconciliations.iter().zip(&built.reconciliations) {
        assert_eq!(golden, built, "reconciliation {}", golden.name);
    }
    assert_eq!(golden, built);
}

#[test]
fn events_decode_to_their_values() {
    let limits = Limits::default();
    let (golden, samples) = (golden(), samples::events());
    assert_eq!(golden.events.len(), samples.len());
    for (vector, sample) in golden.events.iter().zip(samples) {
        let name = &vector.name;
        let bytes = unhex(&vector.event);
        let event = Event::decode(&bytes, &limits).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(*event.fields(), sample.fields, "{name}");
        assert_eq!(event.bytes()[..], bytes, "{name}");
        assert_eq!(event.id().to_string(), vector.id, "{name}");
        assert_eq!(event.body().to_ipld(), sample.fields.body, "{name}");
        assert_eq!(HEXLOWER.encode(event.signature().as_bytes()), vector.signature, "{name}");
    }
}

/// The human-readable fields are what the bytes say, and the id and signature are theirs.
#[test]
fn the_readable_fields_are_what_is_signed() {
    for vector in golden().events {
        let name = &vector.name;
        let item = from_json(&vector.fields);
        let unsigned = unhex(&vector.unsigned);
        assert_eq!(serde_ipld_dagcbor::to_vec(&item).expect("plain values encode"), unsigned, "{name}");
        let id = event_id(&unsigned);
        assert_eq!(id.to_string(), vector.id, "{name}");
        let seed: [u8; 32] = unhex(&vector.seed).try_into().expect("32 bytes");
        let key = SecretKey::from_seed(seed);
        let signature = key.sign(&id);
        assert_eq!(HEXLOWER.encode(signature.as_bytes()), vector.signature, "{name}");
        assert_eq!(verify(&key.public(), id.as_bytes(), &signature), Ok(()), "{name}");
        assert_eq!(HEXLOWER.encode(&samples::envelope(&unsigned, &signature)), vector.event, "{name}");
        let fields = Fields::deserialize(item).expect("fields of an event");
        assert_eq!(fields.author, key.public(), "{name}");
    }
}

#[test]
fn frames_decode_to_their_values() {
    let limits = Limits::default();
    let (golden, samples) = (golden(), samples::frames());
    assert_eq!(golden.frames.len(), samples.len());
    let mut packed = 0;
    for (vector, (name, sample)) in golden.frames.iter().zip(samples) {
        assert_eq!(vector.name, name);
        let mut deframer = Deframer::new(limits.frame_bytes);
        deframer.push(&unhex(&vector.stream));
        let bytes = deframer.next_frame().expect("within the limit").expect("a whole frame");
        assert_eq!(deframer.next_frame(), Ok(None), "{name}");
        assert_eq!(Frame::decode(&bytes, &limits), Ok(sample), "{name}");

        let plain = unhex(&vector.plain);
        let item = from_json(&vector.frame);
        assert_eq!(serde_ipld_dagcbor::to_vec(&item).expect("plain values encode"), plain, "{name}");
        let payload = match bytes[0] {
            0 => bytes[1..].to_vec(),
            1 => decompress_to_vec(&bytes[1..]).expect("raw DEFLATE"),
            other => panic!("{name} is packed in the way {other}"),
        };
        assert_eq!(payload, plain, "{name}");
        assert_eq!(bytes[0] == 1, plain.len() > limits.compress_above, "{name}");
        packed += usize::from(bytes[0]);
    }
    assert!(packed > 0, "a compressed frame is among them");
}

#[test]
fn media_frames_decode_to_their_values() {
    let limits = Limits::default();
    let (golden, samples) = (golden(), media::frames());
    assert_eq!(golden.media.len(), samples.len());
    for (vector, (name, sample)) in golden.media.iter().zip(samples) {
        assert_eq!(vector.name, name);
        let mut deframer = Deframer::new(limits.media_frame_bytes);
        deframer.push(&unhex(&vector.stream));
        let bytes = deframer.next_frame().expect("within the limit").expect("a whole frame");
        assert_eq!(deframer.next_frame(), Ok(None), "{name}");
        assert_eq!(bytes, unhex(&vector.plain), "{name}");
        assert_eq!(MediaFrame::decode(&bytes, &limits), Ok(sample), "{name}");
        let item = from_json(&vector.frame);
        assert_eq!(serde_ipld_dagcbor::to_vec(&item).expect("plain values encode"), bytes, "{name}");
    }
}

/// Outboards and slices are what their ids demand: the root of the tree, and every slice by itself.
#[test]
fn blobs_and_their_slices_verify() {
    let mut parents = 0;
    for vector in golden().blobs {
        let (name, content) = (&vector.name, media::content(vector.size));
        let outboard = unhex(&vector.outboard);
        let id = blob_id(&content);
        assert_eq!(id.to_string(), vector.id, "{name}");
        for slice in &vector.slices {
            let bytes = unhex(&slice.bytes);
            let verified = verify_slice(&id, vector.size, slice.first, slice.count, &bytes);
            let verified = verified.unwrap_or_else(|error| panic!("{name}: {error}"));
            let start = (u64::from(slice.first) * GROUP_BYTES) as usize;
            assert_eq!(verified.data, content[start..][..verified.data.len()], "{name}");
            for (node, parent) in &verified.parents {
                assert_eq!(outboard[node.offset() as usize..][..64], *parent, "{name}");
            }
            parents += verified.parents.len();
        }
    }
    assert!(parents > 0, "a slice with parents is among them");
}

#[test]
fn codes_and_records_are_read_as_they_were_made() {
    let (golden, limits) = (golden(), Limits::default());
    for (vector, (name, sample)) in golden.codes.iter().zip(samples::codes()) {
        assert_eq!(FriendCode::read(&vector.text, samples::TIME, &limits), Ok(sample), "{name}");
        let upper = vector.text.to_uppercase();
        assert!(FriendCode::read(&upper, samples::TIME, &limits).is_ok(), "{name} as a QR code has it");
    }
    let record = ReachRecord::read(&unhex(&golden.records[0].record)).expect("a record");
    assert_eq!(record, samples::record());
    let author = SecretKey::from_seed(samples::INVITER).public();
    assert_eq!(record.open(&author, &samples::REACH), Some(samples::place()));
    assert!(
        days(samples::TIME, 0)
            .iter()
            .any(|day| blinded(&author, &samples::REACH, *day) == Some(record.slot()))
    );
}

#[test]
fn peer_records_are_read_as_they_were_made() {
    let vector = &golden().peers[0];
    let record = PeerRecord::read(&unhex(&vector.record)).expect("a record");
    assert_eq!(record, samples::peer_record());
    let item = from_json(&vector.fields);
    let unsigned = unhex(&vector.unsigned);
    assert_eq!(serde_ipld_dagcbor::to_vec(&item).expect("plain values encode"), unsigned);
    let key = SecretKey::from_seed(unhex(&vector.seed).try_into().expect("32 bytes"));
    let signature = ByteArray::new(key.sign_hash(&peer_record_hash(&unsigned)).0);
    let pair = serde_ipld_dagcbor::to_vec(&(Bytes::new(&unsigned), signature)).expect("bytes encode");
    assert_eq!(HEXLOWER.encode(&pair), vector.record);
}

#[test]
fn connect_codes_are_read_as_they_were_made() {
    let (golden, samples) = (golden(), samples::connect_codes());
    assert_eq!(golden.connects.len(), samples.len());
    for (vector, (name, sample)) in golden.connects.iter().zip(&samples) {
        assert_eq!(vector.name, *name);
        let unsigned = unhex(&vector.unsigned);
        let item = from_json(&vector.fields);
        assert_eq!(serde_ipld_dagcbor::to_vec(&item).expect("plain values encode"), unsigned, "{name}");
        let hash = connect_code_hash(&unsigned);
        assert_eq!(HEXLOWER.encode(&hash), vector.hash, "{name}");
        for text in [vector.text.clone(), vector.text.to_uppercase()] {
            assert_eq!(ConnectCode::read(&text), Ok((sample.clone(), hash)), "{name}");
        }
    }
    let offer = unhex(&golden.connects[0].hash).try_into().expect("32 bytes");
    assert_eq!(samples[1].1.half, Half::Answer(offer), "the answer is to the offer");
}

#[test]
fn rows_unpack_to_their_values() {
    let (golden, samples) = (golden(), samples::rows());
    assert_eq!(golden.rows.len(), samples.len());
    for (vector, (name, sample)) in golden.rows.iter().zip(&samples) {
        assert_eq!(vector.name, *name);
        assert_eq!(Row::unpack_all(&unhex(&vector.packed)), Ok(vec![sample.clone()]), "{name}");
    }
    let all: Vec<u8> = golden.rows.iter().flat_map(|vector| unhex(&vector.packed)).collect();
    let rows: Vec<Row> = samples.into_iter().map(|(_, row)| row).collect();
    assert_eq!(Row::unpack_all(&all), Ok(rows));
}
