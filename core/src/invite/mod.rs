//! How people find each other: friend codes, and the records that tell friends where somebody is today.
//!
//! A friend code is made once and passed on by people; a reach record is made every few minutes and lies at relays,
//! which can neither read it nor tell whose it is. Both are signed. Addresses are bytes here: whether one may be dialled
//! is decided by the shell that would dial it.

mod address;
mod armor;
mod code;
mod connect;
mod reach;

pub use address::{ADDRESS_BYTES, Address};
pub use armor::CODE_BYTES;
pub(crate) use code::unsigned;
pub use code::{CODE_RELAYS, CodeError, FriendCode, PREFIX, code_in, is_plain_name};
pub use connect::{Candidate, CandidateKind, ConnectCode, ConnectCodeError, Description, Half};
pub use reach::{ClaimedRecord, LIFE, PLACE_RELAYS, Place, RECORD_BYTES, ReachError, ReachRecord, day, days};
