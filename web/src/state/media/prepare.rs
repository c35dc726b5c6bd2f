//! Files being made ready for a post.

use chanterelle_core::base::Limits;
use chanterelle_core::event::{Attachment, BlobRef, FileInfo};
use leptos::prelude::*;
use serde_bytes::ByteBuf;

use super::{BlobState, Media, Opening, PrepareError, revoke};
use crate::media::{Call, Prepared, Stored, ToMedia};

/// A file being made ready for a post. Dropping the last handle does nothing; [`Preparing::cancel`] ends it.
#[derive(Clone, Copy)]
pub(crate) struct Preparing {
    /// How far it is.
    pub(crate) step: RwSignal<Step>,
    call: Call,
    media: Media,
}

/// What was done to a file that is ready.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Made {
    /// Whether what tells of its maker is out of it.
    pub(crate) is_clean: bool,
    /// Whether it has the encoding it had.
    pub(crate) has_kept_encoding: bool,
}

/// How far a file is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Under way; of one thousand, if that is known.
    Busy(Option<u16>),
    /// Ready: what the post will carry (alternative text and spoiler are the composer's to set), and a URL to preview it by,
    /// if it can be shown.
    Ready(Box<Attachment>, Option<String>, Made),
    /// It cannot be attached.
    Failed(PrepareError),
    /// The person has changed their mind.
    Cancelled,
}

impl Media {
    /// Makes a file ready for a post: without metadata, smaller unless `keep` asks for the encoding it has.
    pub(crate) fn prepare(self, file: web_sys::File, keep: bool) -> Preparing {
        let step = self.owner.with_value(|owner| owner.with(|| RwSignal::new(Step::Busy(None))));
        let preparing = Preparing { step, call: self.call(), media: self };
        match self.program() {
            Some(program) => {
                let name = plain_name(&file.name());
                self.inner.update_value(|inner| drop(inner.preparing.insert(preparing.call, (step, name))));
                let wanted =
                    move || self.inner.with_value(|inner| inner.preparing.contains_key(&preparing.call));
                program.prepare(preparing.call, &file, keep, wanted);
            }
            None => step.set(Step::Failed(PrepareError::Cancelled)),
        }
        preparing
    }

    /// A file is ready, or cannot be made so.
    pub(super) fn prepared(self, call: Call, outcome: Result<Prepared, PrepareError>) {
        let waiting = self.inner.try_update_value(|inner| inner.preparing.remove(&call)).flatten();
        let Some((step, name)) = waiting else {
            // Given up too late.
            return if let Ok(prepared) = outcome {
                self.discard(&attachment(prepared, None), None);
            };
        };
        match outcome {
            Ok(prepared) => {
                let preview = prepared.thumb.as_ref().map(|thumb| thumb.id).or_else(|| {
                    let is_picture = prepared.blob.kind.starts_with("image/");
                    is_picture.then_some(prepared.blob.id)
                });
                let made =
                    Made { is_clean: prepared.is_clean, has_kept_encoding: prepared.has_kept_encoding };
                let attachment = Box::new(attachment(prepared, name));
                match preview {
                    Some(id) => self.open(id, Opening::Preview(step, attachment, made)),
                    None => self.ready(step, attachment, None, made),
                }
            }
            Err(PrepareError::Cancelled) => step.set(Step::Cancelled),
            Err(error) => step.set(Step::Failed(error)),
        }
    }

    /// A file is ready, with its preview if it has one; or the person has changed their mind meanwhile.
    pub(super) fn ready(
        self,
        step: RwSignal<Step>,
        attachment: Box<Attachment>,
        preview: Option<BlobState>,
        made: Made,
    ) {
        if step.get_untracked() == Step::Cancelled {
            return self.discard(&attachment, preview.as_ref().and_then(BlobState::url));
        }
        let url = preview.and_then(|state| if let BlobState::Here(url) = state { Some(url) } else { None });
        step.set(Step::Ready(attachment, url, made));
    }

    /// A file that was ready is in no list any more.
    fn discard(self, attachment: &Attachment, url: Option<&str>) {
        url.into_iter().for_each(revoke);
        let blobs = [Some(&attachment.blob), attachment.thumb.as_ref()];
        self.mention(&ToMedia::Remove(blobs.into_iter().flatten().map(|blob| blob.id).collect()));
    }
}

impl Preparing {
    /// The person has changed their mind. Of a file that was ready nothing is kept for this post.
    pub(crate) fn cancel(self) {
        match self.step.get_untracked() {
            Step::Busy(_) => {
                self.media.inner.update_value(|inner| drop(inner.preparing.remove(&self.call)));
                self.media.mention(&ToMedia::Cancel(self.call));
            }
            Step::Ready(attachment, url, _) => self.media.discard(&attachment, url.as_deref()),
            Step::Failed(_) | Step::Cancelled => return,
        }
        self.step.set(Step::Cancelled);
    }

    /// It is in a post, and in no list any more.
    pub(crate) fn posted(self) {
        if let Step::Ready(_, Some(url), _) = self.step.get_untracked() {
            revoke(&url);
        }
    }
}

fn attachment(prepared: Prepared, name: Option<String>) -> Attachment {
    let blob = |stored: &Stored| BlobRef { id: stored.id, size: stored.size };
    let (width, height) = prepared.size.unzip();
    Attachment {
        blob: blob(&prepared.blob),
        thumb: prepared.thumb.as_ref().map(blob),
        info: FileInfo {
            name,
            width,
            height,
            duration: prepared.duration,
            thumbhash: prepared.thumbhash.map(ByteBuf::from),
            thumb: prepared.thumb.is_some(),
            ..FileInfo::new(prepared.blob.kind)
        },
    }
}

/// A file's name as it can stand in an event.
fn plain_name(name: &str) -> Option<String> {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let limit = Limits::default().file_name_chars;
    let name = name.trim();
    let count = name.chars().count();
    // The end tells what kind of file it is.
    let name: String = name.chars().skip(count.saturating_sub(limit)).collect();
    (!name.trim().is_empty()).then_some(name)
}
