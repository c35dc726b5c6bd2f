//! Hashes, signatures, keys and the seeded generator. Uses only `base`.
//!
//! Nothing here draws randomness or reads a clock: secrets come in as bytes from the shell's system entropy,
//! and what must look random to others is derived by BLAKE3. Nothing here decides what a valid event is; that
//! is `admit`.

pub mod batch;
pub mod blind;
pub mod hash;
pub mod keys;
pub mod rng;
pub mod seal;
pub mod sign;
pub mod verify;

pub use batch::{Claim, Verify, Zip215, verify_batch};
pub use blind::{BlindKey, blinded};
pub use hash::{
    connect_code_hash, derive, event_id, friend_code_hash, no_board, open_board_id, peer_record_hash,
    reach_record_hash, reach_seal_key, relay_root, sync_root, upload_request_hash,
};
pub use keys::{Identity, ReachSecret, Root};
pub use rng::Rng;
pub use seal::{open, seal};
pub use sign::{SecretKey, Signature};
pub use verify::{KeyError, SignatureError, check_author_encoding, check_author_key, verify};
