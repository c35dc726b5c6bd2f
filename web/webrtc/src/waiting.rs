//! Whoever waits for something that the browser tells.

use std::cell::RefCell;
use std::task::{Context, Waker};

/// Tasks to be woken. Browsers call back from tasks of their own, never while we call them, so nothing is borrowed then.
#[derive(Default)]
pub(crate) struct Waiting(RefCell<Vec<Waker>>);

impl Waiting {
    /// Wakes this task at the next [`Waiting::wake`].
    pub(crate) fn add(&self, context: &Context<'_>) {
        let mut wakers = self.0.borrow_mut();
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
    }

    pub(crate) fn wake(&self) {
        let wakers = self.0.take();
        wakers.into_iter().for_each(Waker::wake);
    }
}
