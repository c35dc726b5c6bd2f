//! When to dial again: at once after a session that lasted, later and later after failures. Knows no clock and dials
//! nothing.

use std::time::Duration;

/// After the first failure. Short, because a relay that was restarted is back at once.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// After many. A relay that comes back is found within this, and a crowd of tabs does not hammer one that cannot.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A connection that lasts this long was worth making: what fails later is a new trouble.
pub(super) const SETTLED: Duration = Duration::from_secs(10);

/// After a session that the node has judged and ended: it would end the next one too.
const FAILURES_WHEN_UNWANTED: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not to be connected.
    Paused,
    /// An attempt is under way.
    Busy,
    /// There is a session.
    Up,
    /// The next attempt has its time.
    Waiting,
}

/// The state of the way to one relay.
#[derive(Debug)]
pub(super) struct Redial {
    state: State,
    failures: u32,
    trouble: Option<String>,
}

impl Redial {
    /// Nothing is dialled before [`Redial::resume`].
    pub(super) fn new() -> Self {
        Self { state: State::Paused, failures: 0, trouble: None }
    }

    /// From now on there should be a session. Whether to make an attempt now.
    #[must_use]
    pub(super) fn resume(&mut self) -> bool {
        self.state == State::Paused && self.attempt()
    }

    /// The wait is over, or something happened that makes another attempt worth while. Whether to make it.
    #[must_use]
    pub(super) fn retry(&mut self) -> bool {
        self.state == State::Waiting && self.attempt()
    }

    /// No session is wanted for now.
    pub(super) fn pause(&mut self) {
        self.state = State::Paused;
    }

    /// There is a session; call [`Redial::settled`] when it has lasted for [`SETTLED`].
    pub(super) fn up(&mut self) {
        self.state = State::Up;
        self.trouble = None;
    }

    /// The session has lasted.
    pub(super) fn settled(&mut self) {
        if self.state == State::Up {
            self.failures = 0;
        }
    }

    /// The attempt failed, or the session ended; `unwanted` when the node would end the next one too. How long to wait,
    /// with `chance` in 0 to 1 to keep a crowd from coming back in step. Nothing to wait for when none was wanted.
    pub(super) fn failed(&mut self, why: String, unwanted: bool, chance: f64) -> Option<Duration> {
        if !self.is_wanted() || self.state == State::Waiting {
            return None;
        }
        let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.min(10)).min(LONGEST_WAIT);
        self.failures = (self.failures + 1).max(if unwanted { FAILURES_WHEN_UNWANTED } else { 0 });
        self.state = State::Waiting;
        self.trouble = Some(why);
        Some(doubled.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
    }

    /// Whether there should be a session.
    pub(super) fn is_wanted(&self) -> bool {
        self.state != State::Paused
    }

    /// Whether an attempt is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.state == State::Busy
    }

    /// Whether there should be a session and is none.
    pub(super) fn is_missing(&self) -> bool {
        self.is_wanted() && self.state != State::Up
    }

    /// Why there is none, in words for the person.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn attempt(&mut self) -> bool {
        self.state = State::Busy;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_WAIT, LONGEST_WAIT, Redial};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_a_session_that_lasted() {
        let mut redial = Redial::new();
        assert!(redial.resume());
        let mut last = None;
        for _ in 0..12 {
            let wait = redial.failed("down".to_owned(), false, 1.0).expect("a wait after a failure");
            assert!(Some(wait) >= last && wait <= LONGEST_WAIT);
            last = Some(wait);
            assert!(redial.retry());
        }
        assert_eq!(last, Some(LONGEST_WAIT));

        redial.up();
        assert_eq!(redial.trouble(), None);
        assert_eq!(redial.failed("lost at once".to_owned(), false, 1.0), Some(LONGEST_WAIT));
        assert!(redial.retry());
        redial.up();
        redial.settled();
        assert_eq!(redial.failed("lost later".to_owned(), false, 1.0), Some(FIRST_WAIT));
        assert_eq!(redial.trouble(), Some("lost later"));
    }

    #[test]
    fn what_the_node_ended_is_not_dialled_again_at_once() {
        let mut redial = Redial::new();
        assert!(redial.resume());
        redial.up();
        redial.settled();
        assert_eq!(redial.failed("another version".to_owned(), true, 0.0), Some(FIRST_WAIT / 2));
        assert!(redial.retry());
        redial.up();
        let second = redial.failed("another version".to_owned(), true, 0.0);
        assert!(second >= Some(LONGEST_WAIT / 4), "{second:?}");
    }

    #[test]
    fn one_failure_is_counted_once_and_nothing_is_dialled_while_paused() {
        let mut redial = Redial::new();
        assert!(!redial.retry());
        assert_eq!(redial.failed("early".to_owned(), false, 0.5), None);
        assert!(redial.resume());
        assert!(!redial.resume());
        assert!(redial.failed("once".to_owned(), false, 0.5).is_some());
        assert_eq!(redial.failed("twice".to_owned(), false, 0.5), None);
        redial.pause();
        assert!(!redial.retry() && !redial.is_missing());
    }
}
