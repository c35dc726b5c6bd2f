//! A peer's standing: what it may still cost before it is made to wait, and its score with the reasons for it.
//!
//! Three budgets refill with time: messages, their bytes, and the time that handling them takes (estimated: there is no
//! clock here). Who is over one of them is not read for a while, which holds it up and harms it no more (back-pressure). Only
//! frames that come all the same, far beyond what was on its way, cost points; faults do always. Who has no points left is
//! parted with.

use core::time::Duration;

use super::Fault;
use crate::base::{Instant, Limits};

/// A peer's standing.
#[derive(Clone, Debug)]
pub struct Standing {
    points: u32,
    faults: [u32; Fault::ALL.len()],
    useful: u64,
    messages: Budget,
    bytes: Budget,
    work: Budget,
    refilled: Instant,
    paused_until: Instant,
}

/// What follows from what a peer costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    GoOn,
    /// It is not to be read for so long.
    Pause(Duration),
    /// It is to be parted with.
    Part,
}

/// What handling something takes beside reading its frame, microseconds on a slow phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost(pub u64);

impl Cost {
    /// Of checks of signatures.
    #[must_use]
    pub fn signatures(count: usize) -> Cost {
        Cost(200 * count as u64)
    }

    /// Of looking through so many events of an index.
    #[must_use]
    pub fn events(count: usize) -> Cost {
        Cost(count as u64 / 4)
    }
}

/// What may be spent at once, and the debt that is borne beside; may be spent anew with time.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: i64,
    burst: i64,
    per_second: i64,
}

impl Budget {
    /// Five seconds' worth at once: a first reconciliation of many boards, or what piled up in a hidden tab.
    fn new(per_second: u64) -> Budget {
        let per_second = i64::try_from(per_second).unwrap_or(i64::MAX / 16);
        Budget { left: per_second * 5, burst: per_second * 5, per_second }
    }

    fn refill(&mut self, seconds: i64) {
        self.left = self.left.saturating_add(self.per_second.saturating_mul(seconds)).min(self.burst);
    }

    fn spend(&mut self, cost: u64) {
        // More than is borne is not owed: nobody is held up for ever.
        self.left = self.left.saturating_sub(i64::try_from(cost).unwrap_or(i64::MAX)).max(-2 * self.burst);
    }

    /// How long until what is owed is paid, and a second's worth is there to go on with.
    fn wait(&self) -> Option<Duration> {
        let owed = u64::try_from(-self.left).ok().filter(|_| self.left < 0)?;
        let per_second = self.per_second.unsigned_abs().max(1);
        Some(Duration::from_millis(1_000 + owed.saturating_mul(1_000) / per_second))
    }

    /// Whether more is owed than can have been on its way when the peer was made to wait.
    fn is_exceeded(&self) -> bool {
        self.left < -self.burst
    }
}

impl Standing {
    /// Of a peer that just came.
    #[must_use]
    pub fn new(now: Instant, limits: &Limits) -> Self {
        Self {
            points: limits.budget_points,
            faults: [0; Fault::ALL.len()],
            useful: 0,
            messages: Budget::new(u64::from(limits.frames_per_second)),
            bytes: Budget::new(limits.bytes_per_second),
            work: Budget::new(limits.work_per_second),
            refilled: now,
            paused_until: now,
        }
    }

    /// A frame of `bytes` came. Frames of events cost no bytes: of these only so many come as were granted.
    pub fn frame(&mut self, bytes: usize, now: Instant, limits: &Limits) -> Verdict {
        self.refill(now, limits);
        self.messages.spend(1);
        self.bytes.spend(bytes as u64);
        if [&self.messages, &self.bytes, &self.work].into_iter().any(Budget::is_exceeded)
            && !self.charge(Fault::Excess)
        {
            return Verdict::Part;
        }
        self.verdict(now)
    }

    /// The bytes of a frame turned out to be granted.
    pub fn granted(&mut self, bytes: usize) {
        self.bytes.left =
            self.bytes.left.saturating_add(i64::try_from(bytes).unwrap_or(0)).min(self.bytes.burst);
    }

    /// What a frame asks for takes time.
    pub fn work(&mut self, cost: Cost, now: Instant) -> Verdict {
        self.work.spend(cost.0);
        self.verdict(now)
    }

    /// Takes points for a fault; false when none are left.
    pub fn charge(&mut self, fault: Fault) -> bool {
        self.points = self.points.saturating_sub(fault.price());
        let count = &mut self.faults[fault as usize];
        *count = count.saturating_add(1);
        self.points > 0
    }

    /// It brought something that was new here.
    pub fn was_useful(&mut self) {
        self.useful = self.useful.saturating_add(1);
    }

    /// How much it is worth to go on with: its points, then what it brought.
    #[must_use]
    pub fn score(&self) -> (u32, u64) {
        (self.points, self.useful)
    }

    /// What it did wrong, and how often.
    pub fn faults(&self) -> impl Iterator<Item = (Fault, u32)> {
        Fault::ALL.into_iter().zip(self.faults).filter(|(_, count)| *count > 0)
    }

    fn refill(&mut self, now: Instant, limits: &Limits) {
        let seconds = now.since(self.refilled).as_secs();
        if seconds == 0 {
            return;
        }
        let points = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(limits.budget_refill);
        self.points = self.points.saturating_add(points).min(limits.budget_points);
        let whole = i64::try_from(seconds).unwrap_or(i64::MAX);
        [&mut self.messages, &mut self.bytes, &mut self.work]
            .into_iter()
            .for_each(|budget| budget.refill(whole));
        // Whole seconds only, so that nothing is lost to rounding.
        self.refilled = self.refilled + Duration::from_secs(seconds);
    }

    fn verdict(&mut self, now: Instant) -> Verdict {
        let waits = [&self.messages, &self.bytes, &self.work].into_iter().filter_map(Budget::wait);
        match waits.max() {
            // What comes meanwhile was on its way; the pause was told already.
            Some(wait) if self.paused_until <= now => {
                self.paused_until = now + wait;
                Verdict::Pause(wait)
            }
            _ => Verdict::GoOn,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Cost, Fault, Standing, Verdict};
    use crate::base::{Instant, Limits};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn seconds(seconds: u64) -> Instant {
        Instant(seconds * 1_000)
    }

    #[test]
    fn a_rare_fault_is_forgiven_and_repetition_is_not() {
        let limits = Limits::default();
        let mut standing = Standing::new(seconds(0), &limits);
        for round in 0..100 {
            assert_eq!(standing.frame(10, seconds(round * 60), &limits), Verdict::GoOn);
            assert!(standing.charge(Fault::Event), "one fault a minute");
        }
        assert_eq!(standing.faults().collect::<Vec<_>>(), [(Fault::Event, 100)]);
        let mut standing = Standing::new(seconds(0), &limits);
        assert_eq!((0..).take_while(|_| standing.charge(Fault::Event)).count(), 4);
        assert_eq!(standing.score(), (0, 0));
    }

    #[test]
    fn the_sustained_rate_is_free() {
        let limits = Limits::default();
        let mut standing = Standing::new(seconds(0), &limits);
        for frame in 0..10_000 {
            assert_eq!(standing.frame(1_000, Instant(frame * 10), &limits), Verdict::GoOn, "100 a second");
        }
        assert_eq!(standing.faults().count(), 0);
    }

    /// It is read again when its debt is paid. A peer whose frames are not read can send no more.
    #[test]
    fn a_burst_is_held_up_and_costs_nothing() {
        let limits = Limits::default();
        let mut standing = Standing::new(seconds(0), &limits);
        let verdicts: Vec<Verdict> = (0..900).map(|_| standing.frame(10, seconds(0), &limits)).collect();
        assert!(verdicts[..500].iter().all(|verdict| *verdict == Verdict::GoOn));
        assert_eq!(verdicts[500], Verdict::Pause(Duration::from_millis(1_010)));
        assert!(verdicts[501..].iter().all(|verdict| *verdict == Verdict::GoOn), "told once");
        // Of the 400 that it owes 200 are left after two seconds.
        assert_eq!(standing.frame(10, seconds(2), &limits), Verdict::Pause(Duration::from_millis(3_010)));
        assert_eq!(standing.frame(10, seconds(6), &limits), Verdict::GoOn);
        assert_eq!(standing.score().0, 100);
    }

    #[test]
    fn who_goes_on_all_the_same_is_parted_with() {
        let limits = Limits::default();
        let mut standing = Standing::new(seconds(0), &limits);
        let verdicts = (0..).map(|_| standing.frame(10, seconds(0), &limits));
        assert_eq!(verdicts.take_while(|verdict| *verdict != Verdict::Part).count(), 1_000 + 99);
        assert_eq!(standing.faults().collect::<Vec<_>>(), [(Fault::Excess, 100)]);
    }

    #[test]
    fn large_frames_and_costly_ones_are_held_up_like_many() {
        let limits = Limits::default();
        let burst = usize::try_from(limits.bytes_per_second).expect("a few megabytes") * 5;
        let mut standing = Standing::new(seconds(0), &limits);
        assert_eq!(standing.frame(burst, seconds(0), &limits), Verdict::GoOn);
        assert!(matches!(standing.frame(1, seconds(0), &limits), Verdict::Pause(_)));
        let mut standing = Standing::new(seconds(0), &limits);
        assert_eq!(standing.frame(burst, seconds(0), &limits), Verdict::GoOn);
        standing.granted(burst);
        assert_eq!(standing.frame(burst, seconds(0), &limits), Verdict::GoOn, "events it was let send");

        let mut standing = Standing::new(seconds(0), &limits);
        assert_eq!(standing.work(Cost(limits.work_per_second * 5), seconds(0)), Verdict::GoOn);
        let verdict = standing.work(Cost::signatures(8), seconds(0));
        assert!(matches!(verdict, Verdict::Pause(wait) if wait > Duration::from_secs(1)), "{verdict:?}");
    }

    /// However much is asked for at once.
    #[test]
    fn nobody_is_held_up_for_ever() {
        let limits = Limits::default();
        let mut standing = Standing::new(seconds(0), &limits);
        let verdict = standing.work(Cost(u64::MAX), seconds(0));
        assert!(matches!(verdict, Verdict::Pause(wait) if wait <= Duration::from_secs(11)), "{verdict:?}");
    }
}
