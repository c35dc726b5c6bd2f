//! What the media program tells, taken up into signals.

use chanterelle_core::base::BlobId;
use chanterelle_core::event::Attachment;
use chanterelle_core::media::tree::GROUP_BYTES;
use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Url;

use super::prepare::{Made, Step};
use super::{BlobState, Entry, Lost, Media, revoke};
use crate::media::{Call, Fetch, PrepareError, StorageStatus, StoreError, ToMedia, ToPage, Told, Use};

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
            Told::Leads => {
                self.want_again();
                self.gather();
            }
        }
    }

    fn on_said(self, message: ToPage, part: JsValue) {
        match message {
            ToPage::Ready(status) => {
                self.memory_only.set(matches!(status, StorageStatus::MemoryOnly(_)));
                self.on_ready();
            }
            ToPage::Progress { call, done, .. } => {
                let step = self.inner.with_value(|inner| inner.preparing.get(&call).map(|(step, _)| *step));
                if let Some(step) = step {
                    // From 0 to 1.
                    step.set(Step::Busy(Some((done * 1_000.0) as u16)));
                }
            }
            ToPage::Prepared(call, outcome) => self.prepared(call, outcome),
            ToPage::Opened(call, outcome) => self.opened(call, outcome, part),
            ToPage::Here { here, gone, .. } => self.on_here(&here, &gone),
            ToPage::Blob(id, fetch) => self.on_fetch(id, fetch),
            ToPage::Changed(ids) => {
                self.inner.update_value(|inner| {
                    for id in ids {
                        if let Some(entry) = inner.blobs.get_mut(&id) {
                            entry.is_known = false;
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
            for entry in inner.blobs.values_mut() {
                entry.is_known = entry.blob.state.with_untracked(|state| state.url().is_some());
            }
        });
        self.want_again();
        self.gather();
    }

    /// Opens what is here, and takes away what is shown and is not here any more.
    fn on_here(self, here: &[BlobId], gone: &[BlobId]) {
        let unopened = self.inner.try_update_value(|inner| {
            let is_shown = |id: &BlobId| {
                inner.blobs.get(id).filter(|entry| entry.blob.state.with_untracked(|it| it.url().is_some()))
            };
            gone.iter().filter_map(is_shown).for_each(|entry| entry.stand(BlobState::Absent));
            here.iter().filter(|id| is_shown(id).is_none()).copied().collect::<Vec<BlobId>>()
        });
        unopened.unwrap_or_default().into_iter().for_each(|id| self.open(id, Opening::Shown(id)));
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
                // Another tab's wish.
                Fetch::NoRoom | Fetch::NoShare if entry.wanted.is_none() => None,
                Fetch::NoRoom | Fetch::NoShare => {
                    entry.wanted = None;
                    let lost = if fetch == Fetch::NoShare { Lost::NoShare } else { Lost::NoRoom };
                    entry.blob.state.set(BlobState::Failed(lost));
                    None
                }
                Fetch::Blocked => {
                    entry.wanted = None;
                    entry.stand(BlobState::Blocked);
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

    fn opened(self, call: Call, outcome: Result<Use, StoreError>, content: JsValue) {
        let Some(opening) = self.inner.try_update_value(|inner| inner.opening.remove(&call)).flatten() else {
            return;
        };
        let url = outcome.map(|of| {
            let content: web_sys::Blob = content.unchecked_into();
            let url = Url::create_object_url_with_blob(&content).unwrap_or_default();
            if of == Use::Show { BlobState::Here(url) } else { BlobState::Unshown(url) }
        });
        let id = match opening {
            Opening::Preview(step, attachment, made) => {
                return self.ready(step, attachment, url.ok(), made);
            }
            Opening::Shown(id) => id,
        };
        let is_here = url.is_ok();
        self.inner.update_value(|inner| {
            let Some(entry) = inner.blobs.get_mut(&id) else { return };
            let state = entry.blob.state;
            if state.with_untracked(|state| state.url().is_some() || *state == BlobState::Blocked) {
                // Asked for twice.
                url.iter().filter_map(BlobState::url).for_each(revoke);
                return;
            }
            entry.wanted = None;
            state.set(match url {
                Ok(state) => state,
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
            (std::mem::take(&mut inner.opening), std::mem::take(&mut inner.preparing))
        });
        let (opening, preparing) = preparing.unwrap_or_default();
        for (_, opening) in opening {
            if let Opening::Preview(step, attachment, made) = opening {
                self.ready(step, attachment, None, made);
            }
        }
        for (_, (step, _)) in preparing {
            let error = PrepareError::Storage(StoreError::Failed(why.to_owned()));
            step.set(Step::Failed(error));
        }
    }
}

/// Notes how far a blob is, and how many hold it.
fn progress(entry: &mut Entry, held: u32, holders: u32) {
    let blob = entry.blob;
    if blob.holders.get_untracked() != Some(holders) {
        blob.holders.set(Some(holders));
    }
    if entry.wanted.is_some() {
        let bytes = (u64::from(held) * GROUP_BYTES).min(entry.size);
        let state = if held == 0 && holders == 0 { BlobState::Looking } else { BlobState::Coming(bytes) };
        if blob.state.with_untracked(|before| *before != state) {
            blob.state.set(state);
        }
    }
}
