//! What has been read of a session and is not yet dealt with, which says when reading goes on.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::weight;

/// What may be on its way to the node before reading waits, by [`weight`]: a few frames of the largest size.
pub(super) const INTAKE_BYTES: usize = 1024 * 1024;

/// What has been read and not yet dealt with.
#[derive(Default)]
pub(super) struct Intake {
    /// Bytes of all frames there ever were.
    received: Cell<u64>,
    /// Of all of it together.
    weight: Cell<usize>,
    /// Nothing is wanted any more.
    is_shut: Cell<bool>,
    /// While there are any, nothing is wanted.
    pauses: Cell<usize>,
    waiting: RefCell<Option<Waker>>,
}

impl Intake {
    /// A frame was read.
    pub(super) fn read(&self, frame: &[u8]) {
        self.weight.set(self.weight.get() + weight(frame));
        self.received.set(self.received.get() + frame.len() as u64);
    }

    /// Bytes of all frames there ever were.
    pub(super) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Nothing more is wanted.
    pub(super) fn shut(&self) {
        self.is_shut.set(true);
    }

    /// Nothing is wanted until as often [`Intake::go_on`] was called.
    pub(super) fn pause(&self) {
        self.pauses.set(self.pauses.get() + 1);
    }

    /// See [`Intake::pause`].
    pub(super) fn go_on(&self) {
        self.pauses.set(self.pauses.get() - 1);
        self.look();
    }

    /// Frames of so much [`weight`] have been dealt with.
    pub(super) fn took(&self, weight: usize) {
        self.weight.set(self.weight.get().saturating_sub(weight));
        self.look();
    }

    /// There may be room now.
    fn look(&self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until there is room, for ever when nothing is wanted any more.
    pub(super) async fn room(&self) {
        poll_fn(|context| {
            if self.weight.get() < INTAKE_BYTES && !self.is_shut.get() && self.pauses.get() == 0 {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
