//! When to dial one relay again: at once after a session that lasted, later and later after failures. Knows no clock and
//! dials nothing; times are milliseconds of the caller's clock.

/// After the first failure. Short, because a relay that was restarted is back at once.
const FIRST_WAIT: u64 = 500;

/// After many. A relay that comes back is found within this, and a crowd of tabs does not hammer one that cannot.
const LONGEST_WAIT: u64 = 30_000;

/// A session that lasts this long was worth making: what fails later is a new trouble.
const SETTLED: u64 = 10_000;

/// After a session that the node has judged and ended: it would end the next one too.
const FAILURES_WHEN_UNWANTED: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is under way; an attempt is in order from then on.
    Idle(u64),
    /// An attempt is under way, since then.
    Busy(u64),
    /// There is a session, since then.
    Up(u64),
}

/// The state of the way to one relay.
#[derive(Clone, Debug)]
pub(super) struct Redial {
    state: State,
    failures: u32,
    trouble: Option<String>,
}

impl Redial {
    /// Never tried.
    pub(super) fn new() -> Self {
        Self { state: State::Idle(0), failures: 0, trouble: None }
    }

    /// An attempt begins.
    pub(super) fn attempt(&mut self, now: u64) {
        self.state = State::Busy(now);
    }

    /// There is a session.
    pub(super) fn up(&mut self, now: u64) {
        self.state = State::Up(now);
        self.trouble = None;
    }

    /// The attempt failed, or the session ended; `unwanted` when the node would end the next one too. The next attempt is
    /// put off, with `chance` in 0 to 1 to keep a crowd from coming back in step.
    pub(super) fn failed(&mut self, why: String, unwanted: bool, chance: f64, now: u64) {
        match self.state {
            State::Idle(_) => return,
            State::Up(since) if now.saturating_sub(since) >= SETTLED => self.failures = 0,
            State::Up(_) | State::Busy(_) => {}
        }
        let doubled = (FIRST_WAIT << self.failures.min(10)).min(LONGEST_WAIT);
        self.failures = (self.failures + 1).max(if unwanted { FAILURES_WHEN_UNWANTED } else { 0 });
        // Both are far below 2^53.
        let wait = (doubled as f64 * (0.5 + chance.clamp(0.0, 1.0) / 2.0)) as u64;
        self.state = State::Idle(now + wait);
        self.trouble = Some(why);
    }

    /// Something happened that makes another attempt worth while.
    pub(super) fn hurry(&mut self) {
        if let State::Idle(due) = &mut self.state {
            *due = 0;
        }
    }

    /// There is no attempt and no session any more, though nothing failed; the next may be made from `due` on.
    pub(super) fn rest(&mut self, due: u64) {
        self.state = State::Idle(due);
    }

    /// When an attempt is in order; `None` while one is under way or there is a session.
    pub(super) fn due(&self) -> Option<u64> {
        if let State::Idle(due) = self.state { Some(due) } else { None }
    }

    /// Since when an attempt has been under way.
    pub(super) fn busy_since(&self) -> Option<u64> {
        if let State::Busy(since) = self.state { Some(since) } else { None }
    }

    /// Whether there is a session.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Why there is none, in words for the person.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_WAIT, LONGEST_WAIT, Redial, SETTLED};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// How long it waits after it has failed at `now`.
    fn wait(redial: &mut Redial, unwanted: bool, chance: f64, now: u64) -> u64 {
        redial.failed("why".to_owned(), unwanted, chance, now);
        redial.due().expect("a time after a failure") - now
    }

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_a_session_that_lasted() {
        let mut redial = Redial::new();
        assert_eq!(redial.due(), Some(0));
        let mut last = 0;
        for round in 0..12 {
            redial.attempt(round);
            assert_eq!((redial.due(), redial.busy_since()), (None, Some(round)));
            let next = wait(&mut redial, false, 1.0, round);
            assert!(next >= last && next <= LONGEST_WAIT);
            last = next;
        }
        assert_eq!((last, redial.trouble()), (LONGEST_WAIT, Some("why")));

        redial.attempt(100);
        redial.up(100);
        assert!(redial.is_up() && redial.trouble().is_none());
        assert_eq!(wait(&mut redial, false, 1.0, 100 + SETTLED - 1), LONGEST_WAIT, "lost at once");
        redial.attempt(200);
        redial.up(200);
        assert_eq!(wait(&mut redial, false, 1.0, 200 + SETTLED), FIRST_WAIT, "lost later");
    }

    #[test]
    fn what_the_node_ended_is_not_dialled_again_at_once() {
        let mut redial = Redial::new();
        redial.attempt(0);
        redial.up(0);
        assert_eq!(wait(&mut redial, true, 0.0, SETTLED), FIRST_WAIT / 2);
        redial.attempt(20_000);
        redial.up(20_000);
        assert!(wait(&mut redial, true, 0.0, 20_001) >= LONGEST_WAIT / 4);
    }

    #[test]
    fn one_failure_is_counted_once_and_hurry_is_for_those_that_wait() {
        let mut redial = Redial::new();
        redial.attempt(0);
        let first = wait(&mut redial, false, 0.5, 0);
        redial.failed("again".to_owned(), false, 0.5, 9);
        assert_eq!((redial.due(), redial.trouble()), (Some(first), Some("why")));
        redial.hurry();
        assert_eq!(redial.due(), Some(0));
        redial.attempt(7);
        redial.hurry();
        assert_eq!(redial.busy_since(), Some(7));
        redial.rest(50);
        assert_eq!(redial.due(), Some(50));
    }
}
