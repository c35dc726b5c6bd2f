//! Short names of events, different for every peer and hour, so that nobody can make two events that one peer takes
//! for one for long.
//!
//! SipHash-2-4 (Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012) of the identifier under a secret salt
//! of the peer that answers, 48 bits of it. Two of n events have the same name with a probability of n² / 2^49:
//! once in 56,000 times among 100,000. Such events are not told apart until the salt changes; then they are.

use core::hash::Hasher;
use core::time::Duration;

use siphasher::sip::SipHasher24;

use crate::base::{EventId, Instant};
use crate::crypto::Rng;
use crate::store::Fold;

/// Bits of a short name.
pub(super) const SHORT_BITS: u32 = 48;

/// All of them set.
pub(super) const SHORT_MASK: u64 = (1 << SHORT_BITS) - 1;

/// For how long a peer uses one salt. What is kept for it is made anew afterwards, and who knows it has so long to
/// find events whose names collide.
const SALT_FOR: Duration = Duration::from_secs(60 * 60);

/// What makes the short names of one peer in one hour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

/// Shows the tag alone: who knows the salt can make names collide.
impl core::fmt::Debug for Salt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Salt({:04x})", self.tag())
    }
}

impl Salt {
    /// Which of a peer's last two salts is meant.
    pub(super) fn tag(&self) -> u16 {
        u16::from_le_bytes([self.0[0], self.0[1]])
    }

    /// The short name of an event.
    pub(super) fn short(&self, id: &EventId) -> u64 {
        self.hash(&id.0) & SHORT_MASK
    }

    /// What two sets of events are compared by: nobody else can foresee which of them look the same.
    pub(super) fn digest(&self, fold: &Fold) -> u64 {
        self.hash(&fold.to_bytes())
    }

    /// The key of what is derived from short names.
    pub(super) fn key(&self) -> u64 {
        self.hash(b"cells")
    }

    /// The lengths of what is hashed differ, and SipHash hashes the length with it, so that no purpose meets
    /// another.
    fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(bytes);
        hasher.finish()
    }
}

/// A peer's salts: the one it uses, and the one before, for those who have begun with it.
#[derive(Debug)]
pub struct Salts {
    current: Salt,
    previous: Option<Salt>,
    renew_at: Instant,
}

impl Salts {
    /// The first salt.
    pub fn new(now: Instant, rng: &mut Rng) -> Self {
        Self { current: draw(rng), previous: None, renew_at: now + SALT_FOR }
    }

    /// Takes another salt when the time has come; call it whenever something happens.
    pub fn renew(&mut self, now: Instant, rng: &mut Rng) {
        if now < self.renew_at {
            return;
        }
        let mut next = draw(rng);
        while next.tag() == self.current.tag() {
            next = draw(rng);
        }
        self.previous = Some(core::mem::replace(&mut self.current, next));
        self.renew_at = now + SALT_FOR;
    }

    /// The salt in use.
    #[must_use]
    pub fn current(&self) -> Salt {
        self.current
    }

    /// The salt with this tag, unless it is too old.
    pub(super) fn find(&self, tag: u16) -> Option<Salt> {
        [Some(self.current), self.previous].into_iter().flatten().find(|salt| salt.tag() == tag)
    }
}

fn draw(rng: &mut Rng) -> Salt {
    let mut salt = [0; 16];
    rng.fill(&mut salt);
    Salt(salt)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// The vector in appendix A of the paper.
    #[test]
    fn names_are_siphash_of_the_identifier() {
        let salt = Salt(core::array::from_fn(|at| at as u8));
        let bytes: [u8; 15] = core::array::from_fn(|at| at as u8);
        assert_eq!(salt.hash(&bytes), 0xa129_ca61_49be_45e5);
        let id = EventId([7; 32]);
        assert_eq!(salt.short(&id), salt.hash(&id.0) % (1 << 48));
    }

    #[test]
    fn a_salt_lasts_an_hour_and_is_understood_for_two() {
        let mut rng = Rng::new([1; 32]);
        let mut salts = Salts::new(Instant(0), &mut rng);
        let first = salts.current();
        salts.renew(Instant(3_599_999), &mut rng);
        assert_eq!(salts.current(), first);
        salts.renew(Instant(3_600_000), &mut rng);
        let second = salts.current();
        assert_ne!(second, first);
        assert_eq!((salts.find(first.tag()), salts.find(second.tag())), (Some(first), Some(second)));
        salts.renew(Instant(7_200_000), &mut rng);
        assert_eq!(salts.find(first.tag()), None);
    }

    #[test]
    fn a_salt_is_not_shown() {
        assert_eq!(format!("{:?}", Salt([0xab; 16])), "Salt(abab)");
    }
}
