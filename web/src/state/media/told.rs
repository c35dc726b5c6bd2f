//! What the media program tells, taken up into signals.

use chanterelle_core::base::BlobId;
use chanterelle_core::event::Attachment;
use chanterelle_core::media::tree::GROUP_BYTES;
use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Url;

use super::prepare::{Made, Step};
use super::{BlobState, Entry, Lost, Media};
use crate::media::{Call, Fetch, PrepareError, StoreError, ToMedia, ToPage, Told};

/// For what a blob is opened.
pub(super) enum Opening {
    /// To be shown wherever it is on the page.
    Shown(BlobId),
    /// As the preview of a file for a post.
    Preview(RwSignal<Step>, Box<Attachment>, Made),
}

impl Media {
    pub(super) fn on_told(self, told: Told) {
        match told {
            Told::Said(message, part) => self.on_said(message, part),
            Told::Stopped(why) => self.stopped(&why),
            Told::Leads => self.want_again(),
        }
    }

    fn on_said(self, message: ToPage, part: JsValue) {
        match message {
            ToPage::Ready(_) => self.on_ready(),
            ToPage::Progress { call, done, .. } => {
                let step = self.inner.with_value(|inner| inner.preparing.get(&call).map(|(step, _)| *step));
                if let Some(step) = step {
                    // From 0 to 1.
                    step.set(Step::Busy(Some((done * 1_000.0) as u16)));
                }
            }
            ToPage::Prepared(call, outcome) => self.prepared(call, outcome),
            ToPage::Opened(call, outcome) => self.opened(call, outcome, part),
            ToPage::Here(_, ids) => ids.into_iter().for_each(|id| self.open(id, Opening::Shown(id))),
            ToPage::Blob(id, fetch) => self.on_fetch(id, fetch),
            ToPage::Changed(ids) => {
                self.inner.update_value(|inner| {
                    for id in ids {
                        // What is gone elsewhere can still be seen where it is shown.
                        if let Some(entry) = inner.blobs.get_mut(&id) {
                            entry.is_known = matches!(entry.blob.state.get_untracked(), BlobState::Here(_));
                        }
                    }
                });
                self.gather();
            }
            ToPage::Trouble(error) => self.trouble.set(Some(error)),
            ToPage::Usage(_, usage) => self.usage.set(Some(usage)),
            ToPage::Liar(..) | ToPage::Net(..) => {}
        }
    }

    /// The program has begun, perhaps once more: it knows nothing of what was said to another.
    fn on_ready(self) {
        self.say_blocked();
        self.inner.update_value(|inner| {
            inner.blobs.values_mut().for_each(|entry| {
                entry.is_known = matches!(entry.blob.state.get_untracked(), BlobState::Here(_));
            });
        });
        self.want_again();
        self.gather();
    }

    /// Says once more what is wanted, to whoever fetches now.
    fn want_again(self) {
        let wanted = self.inner.try_update_value(|inner| {
            let wanted = inner.blobs.iter().filter(|(_, entry)| entry.wanted.is_some());
            wanted.map(|(id, _)| *id).collect::<Vec<BlobId>>()
        });
        wanted.unwrap_or_default().into_iter().for_each(|id| self.say_want(id));
    }

    fn on_fetch(self, id: BlobId, fetch: Fetch) {
        let is_whole = self.inner.try_update_value(|inner| {
            let entry = inner.blobs.get_mut(&id)?;
            match fetch {
                Fetch::Progress { held, holders, .. } => {
                    progress(entry, held, holders);
                    None
                }
                Fetch::Complete => Some(()),
                Fetch::NoRoom | Fetch::NoShare => {
                    entry.wanted = None;
                    let lost = if fetch == Fetch::NoShare { Lost::NoShare } else { Lost::NoRoom };
                    entry.blob.state.set(BlobState::Failed(lost));
                    None
                }
                Fetch::Blocked => {
                    entry.wanted = None;
                    entry.blob.state.set(BlobState::Blocked);
                    None
                }
            }
        });
        if is_whole.flatten().is_some() {
            self.open(id, Opening::Shown(id));
        }
    }

    /// Asks for the content of a blob that is here.
    pub(super) fn open(self, id: BlobId, opening: Opening) {
        let call: Call = self.call();
        self.inner.update_value(|inner| drop(inner.opening.insert(call, opening)));
        self.say(&ToMedia::Open { call, id });
    }

    fn opened(self, call: Call, outcome: Result<(), StoreError>, content: JsValue) {
        let Some(opening) = self.inner.try_update_value(|inner| inner.opening.remove(&call)).flatten() else {
            return;
        };
        let url = outcome.map(|()| {
            let content: web_sys::Blob = content.unchecked_into();
            Url::create_object_url_with_blob(&content).unwrap_or_default()
        });
        let id = match opening {
            Opening::Preview(step, attachment, made) => {
                return step.set(Step::Ready(attachment, url.ok(), made));
            }
            Opening::Shown(id) => id,
        };
        let is_here = url.is_ok();
        self.inner.update_value(|inner| {
            let Some(entry) = inner.blobs.get_mut(&id) else { return };
            let state = entry.blob.state;
            if state.with_untracked(|state| matches!(state, BlobState::Here(_) | BlobState::Blocked)) {
                // Asked for twice.
                url.iter().for_each(|url| drop(Url::revoke_object_url(url)));
                return;
            }
            entry.wanted = None;
            state.set(match url {
                Ok(url) => BlobState::Here(url),
                Err(StoreError::Missing) => BlobState::Absent,
                Err(error) => BlobState::Failed(Lost::Storage(error)),
            });
        });
        if is_here {
            self.mention(&ToMedia::Shown(vec![id]));
        }
    }

    /// What was under way is lost with the program; what was here stays.
    fn stopped(self, why: &str) {
        let preparing = self.inner.try_update_value(|inner| {
            for entry in inner.blobs.values_mut() {
                entry.is_known = false;
                if entry.wanted.take().is_some() {
                    entry.blob.state.set(BlobState::Failed(Lost::Stopped(why.to_owned())));
                }
            }
            inner.opening.clear();
            std::mem::take(&mut inner.preparing)
        });
        for (_, (step, _)) in preparing.unwrap_or_default() {
            let error = PrepareError::Storage(StoreError::Failed(why.to_owned()));
            step.set(Step::Failed(error));
        }
    }
}

/// Notes how far a blob is, and how many hold it.
fn progress(entry: &mut Entry, held: u32, holders: u32) {
    let blob = entry.blob;
    if blob.holders.get_untracked() != holders {
        blob.holders.set(holders);
    }
    if entry.wanted.is_some() {
        let bytes = (u64::from(held) * GROUP_BYTES).min(entry.size);
        let state = if held == 0 && holders == 0 { BlobState::Looking } else { BlobState::Coming(bytes) };
        if blob.state.with_untracked(|before| *before != state) {
            blob.state.set(state);
        }
    }
}
