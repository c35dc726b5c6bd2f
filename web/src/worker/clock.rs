//! The two clocks of the worker, and its one timer.

use chanterelle_core::base::{Instant, Now, Seconds};
use js_sys::{Date, Function};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};

/// The farthest a timer is set, milliseconds: beyond 31 bits browsers fire at once, and an early wake-up is harmless.
const FARTHEST: u64 = 24 * 60 * 60 * 1000;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, milliseconds: u32) -> i32;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: i32);
}

/// Both clocks.
pub(crate) fn now() -> Now {
    // Casts from float saturate; both are positive and far below 2^53.
    Now { instant: Instant(performance_now() as u64), unix: Seconds((Date::now() / 1000.0) as u64) }
}

/// Calls back at a deadline that can be moved.
pub(crate) struct Timer {
    callback: Closure<dyn Fn()>,
    set: Option<(Instant, i32)>,
}

impl Timer {
    /// A timer that is not set.
    pub(crate) fn new(callback: impl Fn() + 'static) -> Self {
        Self { callback: Closure::new(callback), set: None }
    }

    /// Moves the deadline, or takes it away. The callback may come early by a millisecond, and never comes from within.
    pub(crate) fn set(&mut self, now: Instant, deadline: Option<Instant>) {
        if self.set.map(|(at, _)| at) == deadline {
            return;
        }
        if let Some((_, timer)) = self.set.take() {
            clear_timeout(timer);
        }
        if let Some(at) = deadline {
            let wait = at.0.saturating_sub(now.0).min(FARTHEST);
            let wait = u32::try_from(wait).expect("a day is below 32 bits of milliseconds");
            self.set = Some((at, set_timeout(self.callback.as_ref().unchecked_ref(), wait)));
        }
    }

    /// To be told by whoever was called back: the timer is no longer set.
    pub(crate) fn fired(&mut self) {
        self.set = None;
    }
}
