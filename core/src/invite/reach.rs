//! Reach records: where somebody is today, for those who have their friend code.
//!
//! A record lies at relays in a slot that is another every day: the identity's key, blinded for the day. So only the
//! owner can put something there, any relay can check that, and no record tells whose it is or which slots of two days
//! belong together. What it says is sealed and always of one length.

use core::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, Bytes};

use super::address::Address;
use crate::base::{AuthorId, PeerId, Seconds, Slot};
use crate::crypto::{
    BlindKey, ReachSecret, SecretKey, Signature, blinded, open, reach_record_hash, reach_seal_key, seal,
    verify,
};
use crate::event::check_canonical;

/// How long a record is good, seconds: a day, and an hour so that clocks may differ.
pub const LIFE: u64 = 25 * DAY / 24;

/// Relays in one record.
pub const PLACE_RELAYS: usize = 4;

/// The longest record, bytes.
pub const RECORD_BYTES: usize = 768;

const DAY: u64 = 24 * 60 * 60;

/// What a record seals, padded: nobody learns from its length at how many relays somebody is.
const PLAIN_BYTES: usize = 512;

/// Where somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Their key on the network, until they close the page.
    pub peer: PeerId,
    /// The relays they are connected to, at most [`PLACE_RELAYS`].
    pub relays: Vec<Address>,
}

/// A record.
#[derive(Clone, PartialEq, Eq)]
pub struct ReachRecord {
    fields: Fields,
    bytes: Arc<[u8]>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    v: u64,
    slot: Slot,
    time: Seconds,
    until: Seconds,
    nonce: ByteArray<12>,
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

/// Bytes that have the form of a record. What they say of themselves is a claim until the signature has been verified,
/// which costs far more than reading them.
#[derive(Clone, Debug)]
pub struct ClaimedRecord {
    record: ReachRecord,
    hash: [u8; 32],
    signature: Signature,
}

#[derive(Serialize, Deserialize)]
struct Pair<'a>(#[serde(borrow)] &'a Bytes, ByteArray<64>);

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// Not the form of a record.
    #[error("the bytes are not a reach record")]
    Form,
    /// Not signed by the owner of its slot.
    #[error("the reach record is not signed by the owner of its slot")]
    Signature,
    /// Good for longer than a record may be.
    #[error("the reach record claims to be good for too long")]
    Life,
}

impl ReachRecord {
    /// The record of this identity at `now`. Relays that find no room are left out, the last first. `nonce` is random.
    #[must_use]
    pub fn make(
        identity: &SecretKey,
        secret: &ReachSecret,
        mut place: Place,
        now: Seconds,
        nonce: [u8; 12],
    ) -> ReachRecord {
        let day = day(now);
        let key = BlindKey::new(identity, secret, day);
        let seal_key = reach_seal_key(&identity.public(), secret, day);
        let plain = pad(&mut place);
        let fields = Fields {
            v: 1,
            slot: key.public(),
            time: now,
            until: now.plus(LIFE),
            nonce: ByteArray::new(nonce),
            sealed: seal(&seal_key, &nonce, key.public().as_bytes(), &plain),
        };
        let unsigned = serde_ipld_dagcbor::to_vec(&fields).expect("a record encodes");
        let signature = key.sign_hash(&reach_record_hash(&unsigned));
        let pair = Pair(Bytes::new(&unsigned), ByteArray::new(signature.0));
        let bytes = serde_ipld_dagcbor::to_vec(&pair).expect("two byte strings encode");
        ReachRecord { fields, bytes: bytes.into() }
    }

    /// Reads a record and checks that the owner of its slot has signed it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<ReachRecord, ReachError> {
        ClaimedRecord::read(bytes)?.verify()
    }

    /// Where it lies.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.fields.slot
    }

    /// When it was made; of two in one slot the later counts.
    #[must_use]
    pub fn time(&self) -> Seconds {
        self.fields.time
    }

    /// From when on it is not good any more.
    #[must_use]
    pub fn until(&self) -> Seconds {
        self.fields.until
    }

    /// Whether it is good at `now`, by a clock that may be behind by `tolerance` seconds.
    #[must_use]
    pub fn is_good(&self, now: Seconds, tolerance: u64) -> bool {
        self.fields.time <= now.plus(tolerance) && now < self.fields.until
    }

    /// What it says, for who knows the author and the secret; `None` when it is not this author's.
    #[must_use]
    pub fn open(&self, author: &AuthorId, secret: &ReachSecret) -> Option<Place> {
        let day = day(self.fields.time);
        if blinded(author, secret, day) != Some(self.fields.slot) {
            return None;
        }
        let key = reach_seal_key(author, secret, day);
        let plain = open(&key, &self.fields.nonce, self.fields.slot.as_bytes(), &self.fields.sealed)?;
        let (length, rest) = plain.split_first_chunk::<2>()?;
        let plain = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
        check_canonical(plain, 2, 2).ok()?;
        let place: Place = serde_ipld_dagcbor::from_slice(plain).ok()?;
        (place.relays.len() <= PLACE_RELAYS).then_some(place)
    }

    /// The record as it is sent.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

impl ClaimedRecord {
    /// Reads what may be a record, without a look at its signature.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(bytes: &[u8]) -> Result<ClaimedRecord, ReachError> {
        if bytes.len() > RECORD_BYTES {
            return Err(ReachError::Form);
        }
        check_canonical(bytes, 1, 1).map_err(|_| ReachError::Form)?;
        let Pair(unsigned, signature) =
            serde_ipld_dagcbor::from_slice(bytes).map_err(|_| ReachError::Form)?;
        check_canonical(unsigned, 1, 1).map_err(|_| ReachError::Form)?;
        let fields: Fields = serde_ipld_dagcbor::from_slice(unsigned).map_err(|_| ReachError::Form)?;
        if fields.v != 1 {
            return Err(ReachError::Form);
        }
        if fields.until.0.saturating_sub(fields.time.0) > LIFE {
            return Err(ReachError::Life);
        }
        let (hash, signature) = (reach_record_hash(unsigned), Signature(signature.into_array()));
        Ok(ClaimedRecord { record: ReachRecord { fields, bytes: bytes.into() }, hash, signature })
    }

    /// The record as it is claimed to be.
    #[must_use]
    pub fn unverified(&self) -> &ReachRecord {
        &self.record
    }

    /// Checks that the owner of its slot has signed it.
    ///
    /// # Errors
    /// [`ReachError::Signature`] when not.
    pub fn verify(self) -> Result<ReachRecord, ReachError> {
        let slot = AuthorId(self.record.fields.slot.0);
        verify(&slot, &self.hash, &self.signature).map_err(|_| ReachError::Signature)?;
        Ok(self.record)
    }
}

impl fmt::Debug for ReachRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReachRecord({} at {})", self.fields.slot.short(), self.fields.time.0)
    }
}

/// The day of a moment, in UTC: days since 1970.
#[must_use]
pub fn day(time: Seconds) -> u64 {
    time.0 / DAY
}

/// The days in whose slots a good record may lie at `now`, the likelier first, by a clock that may be behind by
/// `tolerance` seconds: today, yesterday, and shortly before midnight tomorrow.
#[must_use]
pub fn days(now: Seconds, tolerance: u64) -> Vec<u64> {
    let today = day(now);
    let tomorrow = Some(day(now.plus(tolerance))).filter(|later| *later > today);
    [Some(today), today.checked_sub(1), tomorrow].into_iter().flatten().collect()
}

/// The place behind its length, followed by zeros.
fn pad(place: &mut Place) -> Vec<u8> {
    place.relays.truncate(PLACE_RELAYS);
    loop {
        let plain = serde_ipld_dagcbor::to_vec(place).expect("a place encodes");
        if plain.len() <= PLAIN_BYTES - 2 {
            let length = u16::try_from(plain.len()).expect("below 512");
            let mut padded = [length.to_le_bytes().as_slice(), &plain].concat();
            padded.resize(PLAIN_BYTES, 0);
            return padded;
        }
        place.relays.pop().expect("a place without relays has 50 bytes");
    }
}
