//! What is wrong with the whole page, for the alerts above it. A form's own errors stay with the form.

use chanterelle_core::node::{Notice, StorageError};
use leptos::prelude::*;

/// What is wrong. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Notices {
    /// The node does not run, and why, in words for the person. It may yet: then the storage is heard of.
    pub failed: RwSignal<Option<String>>,
    /// Storing fails at present.
    pub storing: RwSignal<Option<StorageError>>,
    /// What was last said once, for the person to do something. Stays until it is dismissed.
    pub once: RwSignal<Option<Notice>>,
}

impl Notices {
    pub(super) fn new() -> Self {
        Self { failed: RwSignal::new(None), storing: RwSignal::new(None), once: RwSignal::new(None) }
    }

    pub(super) fn on_notice(self, notice: Notice) {
        match notice {
            Notice::StorageFailing(error) => self.storing.set(Some(error)),
            Notice::StorageWorks => self.storing.set(None),
            Notice::ClockLooksWrong | Notice::FriendsFull => self.once.set(Some(notice)),
        }
    }
}
