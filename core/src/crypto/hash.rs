//! BLAKE3 in its key-derivation mode (BLAKE3 paper, section 2.3), one context per purpose, so that a hash
//! made for one purpose is never a hash for another.
//!
//! Blobs are not hashed here: verified streaming needs BLAKE3's plain tree.

use super::keys::{ReachSecret, Root};
use crate::base::{AuthorId, BoardId, BoardName, Day, EventId, PeerId, Seconds};

/// Event ids. The text is part of the wire format: what is signed is the id.
const EVENT: &str = "chanterelle 2026 event";
/// Ids of open boards, over the name. Apart from event ids because an owned board is named by an event id,
/// and nobody may found a board whose id is another board's name.
const BOARD: &str = "chanterelle 2026 board";
/// The seed of the identity key, over the root. Apart from the next two so that giving one away gives no
/// other.
pub(super) const IDENTITY: &str = "chanterelle 2026 identity key";
/// The secret all pseudonyms come from, over the root.
pub(super) const PSEUDONYM: &str = "chanterelle 2026 pseudonym secret";
/// The key of what is stored on this device, over the root.
pub(super) const STORAGE: &str = "chanterelle 2026 storage key";
/// The seed of an opening post's key. Apart from replies so that no choice of board and salt gives a reply's
/// key.
pub(super) const OPENING: &str = "chanterelle 2026 opening key";
/// The seed of the key one replies with in one thread.
pub(super) const REPLY: &str = "chanterelle 2026 reply key";
/// The secret all reach secrets come from, over the root.
pub(super) const REACH: &str = "chanterelle 2026 reach root";
/// The reach secret of one generation of friend codes.
pub(super) const REACH_SECRET: &str = "chanterelle 2026 reach secret";
/// The factor that makes a day's key of an identity key.
pub(super) const BLIND: &str = "chanterelle 2026 reach blinding";
/// The nonce prefix of signatures by a day's key. Apart from the identity key's own, which must never meet another
/// scalar.
pub(super) const BLIND_NONCE: &str = "chanterelle 2026 reach nonce";
/// The key that seals where somebody can be reached on one day.
pub(super) const REACH_SEAL: &str = "chanterelle 2026 reach seal";
/// The root of a relay's identity, over the secret of its key on the network. Apart from that key, which never signs what
/// others keep.
const RELAY: &str = "chanterelle 2026 relay root";
/// What is signed of a friend code.
pub(super) const FRIEND_CODE: &str = "chanterelle 2026 friend code";
/// What is signed of a reach record.
pub(super) const REACH_RECORD: &str = "chanterelle 2026 reach record";
/// What is signed of an offer or answer that people pass on.
pub(super) const CONNECT_CODE: &str = "chanterelle 2026 connect code";
/// What is signed of a peer record.
pub(super) const PEER_RECORD: &str = "chanterelle 2026 peer record";
/// What is signed of a request to upload something to a relay.
pub(super) const UPLOAD_REQUEST: &str = "chanterelle 2026 upload request";
/// What two peers compare to find out that they hold the same. Apart from ids, which it is made of.
const SYNC_ROOT: &str = "chanterelle 2026 sync root";
/// Coefficients of batch verification. Local, never on the wire.
pub(super) const BATCH: &str = "chanterelle 2026 signature batch";
/// The stream of the seeded generator. Apart from all keys, so that a seed that leaks from a simulation tells
/// nothing.
pub(super) const RNG: &str = "chanterelle 2026 generator";

/// The id of an event, over its unsigned bytes as received.
#[must_use]
pub fn event_id(unsigned: &[u8]) -> EventId {
    EventId(blake3::derive_key(EVENT, unsigned))
}

/// The id of the open board with this name.
#[must_use]
pub fn open_board_id(name: &BoardName) -> BoardId {
    BoardId(blake3::derive_key(BOARD, name.as_str().as_bytes()))
}

/// The board of events that belong to none, such as profiles: the id of the empty name, which no board can
/// have.
#[must_use]
pub fn no_board() -> BoardId {
    BoardId(NO_BOARD)
}

/// The hash of nothing, written out: every event's board is compared with it.
const NO_BOARD: [u8; 32] = [
    0xa2, 0x02, 0x46, 0x1e, 0x1b, 0x6b, 0xa4, 0x52, 0xb2, 0xdb, 0xdc, 0xc6, 0xfd, 0x4b, 0xd0, 0xcf, 0x3b,
    0x4a, 0x3f, 0x67, 0xb8, 0x7b, 0x5b, 0x8e, 0x2e, 0xf5, 0x38, 0xc2, 0x0a, 0x53, 0x04, 0x53,
];

/// What is signed of a friend code, over its unsigned bytes as received.
#[must_use]
pub fn friend_code_hash(unsigned: &[u8]) -> [u8; 32] {
    blake3::derive_key(FRIEND_CODE, unsigned)
}

/// What is signed of a reach record, over its unsigned bytes as received.
#[must_use]
pub fn reach_record_hash(unsigned: &[u8]) -> [u8; 32] {
    blake3::derive_key(REACH_RECORD, unsigned)
}

/// What is signed of an offer or answer that people pass on, over its unsigned bytes as received. Names it, too.
#[must_use]
pub fn connect_code_hash(unsigned: &[u8]) -> [u8; 32] {
    blake3::derive_key(CONNECT_CODE, unsigned)
}

/// What is signed of a peer record, over its unsigned bytes as received.
#[must_use]
pub fn peer_record_hash(unsigned: &[u8]) -> [u8; 32] {
    blake3::derive_key(PEER_RECORD, unsigned)
}

/// The root of the identity as which a relay signs what it has made of files, over the secret seed of its key on the
/// network.
#[must_use]
pub fn relay_root(seed: &[u8; 32]) -> Root {
    Root(blake3::derive_key(RELAY, seed))
}

/// What is signed of a request to upload something: for this relay alone, by `method` (in capitals) on `path` (without
/// what follows a question mark), about `length` bytes (0 when the request announces none), at `time`.
#[must_use]
pub fn upload_request_hash(relay: &PeerId, method: &str, path: &str, length: u64, time: Seconds) -> [u8; 32] {
    let (length, time) = (length.to_le_bytes(), time.0.to_le_bytes());
    derive(UPLOAD_REQUEST, &[relay.as_bytes(), method.as_bytes(), path.as_bytes(), &length, &time])
}

/// What two peers that hold the same events from day `since` (since 1970) on both come to, over the fold of those events.
#[must_use]
pub fn sync_root(since: Day, fold: &[u8; 40]) -> [u8; 16] {
    let mut root = [0; 16];
    root.copy_from_slice(&derive(SYNC_ROOT, &[&since.0.to_le_bytes(), fold])[..16]);
    root
}

/// The key that seals what an identity tells its friends on `day` (days since 1970).
#[must_use]
pub fn reach_seal_key(author: &AuthorId, secret: &ReachSecret, day: u64) -> [u8; 32] {
    derive(REACH_SEAL, &[author.as_bytes(), &secret.0, &day.to_le_bytes()])
}

/// 32 bytes derived from `parts` for the purpose `context`.
///
/// The input is every part behind its length in bytes (64 bits, little-endian), so that different lists of
/// parts are different inputs wherever the cuts lie. `context` must be a text used for nothing else,
/// `chanterelle 2026 …`.
#[must_use]
pub fn derive(context: &'static str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        absorb(&mut hasher, part);
    }
    *hasher.finalize().as_bytes()
}

/// The same with 64 bytes, for a scalar without bias.
pub(super) fn derive_wide(context: &'static str, parts: &[&[u8]]) -> [u8; 64] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        absorb(&mut hasher, part);
    }
    let mut bytes = [0; 64];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// Feeds `part` behind its length.
pub(super) fn absorb(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn no_context_is_used_twice() {
        let contexts = [
            EVENT,
            BOARD,
            IDENTITY,
            PSEUDONYM,
            STORAGE,
            OPENING,
            REPLY,
            REACH,
            REACH_SECRET,
            BLIND,
            BLIND_NONCE,
            REACH_SEAL,
            FRIEND_CODE,
            REACH_RECORD,
            CONNECT_CODE,
            PEER_RECORD,
            RELAY,
            UPLOAD_REQUEST,
            SYNC_ROOT,
            BATCH,
            RNG,
        ];
        for (i, context) in contexts.iter().enumerate() {
            assert!(context.starts_with("chanterelle 2026 "));
            assert!(!contexts[..i].contains(context));
        }
    }

    #[test]
    fn every_list_of_parts_is_another_input() {
        let lists: [&[&[u8]]; 8] = [
            &[],
            &[b""],
            &[b"", b""],
            &[b"abc"],
            &[b"a", b"bc"],
            &[b"ab", b"c"],
            &[b"abc", b""],
            &[b"\x01\0\0\0\0\0\0\0a"],
        ];
        let derived = lists.map(|parts| derive("chanterelle 2026 test", parts));
        for (i, one) in derived.iter().enumerate() {
            assert!(!derived[..i].contains(one));
        }
    }

    #[test]
    fn the_board_of_no_name_is_the_hash_of_nothing() {
        assert_eq!(no_board().0, blake3::derive_key(BOARD, b""));
    }

    #[test]
    fn the_same_bytes_have_another_hash_for_another_purpose() {
        let name = BoardName::new("mushrooms").expect("a board name");
        assert_ne!(open_board_id(&name).0, event_id(b"mushrooms").0);
        assert_ne!(open_board_id(&name), no_board());
    }
}
