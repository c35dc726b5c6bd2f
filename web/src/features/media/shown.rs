//! A file as one place on the page shows it: its blobs and how they stand, and what may come by itself.

use chanterelle_core::base::AuthorId;
use chanterelle_core::event::{Attachment, BlobRef};
use chanterelle_core::view::Rendition;
use leptos::html;
use leptos::prelude::*;

use super::choose::{blobs, thumbnail};
use super::colour::average;
use super::kind::{Kind, kind};
use super::name::plain_name;
use super::rules::Rules;
use crate::i18n as t;
use crate::kit::go_on_in;
use crate::state::{Blob, BlobState, Class, Media, Urgency};

/// What the focus goes on at when what was pressed in a file is gone.
const NEXT: &str = ".grow, .zoom, .cover, video, audio, :is(.file-said, .file-offer, .player) > button";

/// Where a file comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    /// Whether it was written here.
    pub own: bool,
    /// Who signed it.
    pub author: AuthorId,
    /// What was made of the files of its post.
    pub renditions: Memo<Vec<Rendition>>,
}

/// A file in one place. A handle.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub media: Media,
    pub origin: Origin,
    pub file: StoredValue<Attachment>,
    pub kind: Kind,
    /// The file itself.
    pub original: Blob,
    /// What shows it small, if there is such a thing.
    pub small: Memo<Option<(BlobRef, Blob)>>,
    /// Whose it is.
    pub class: Memo<Class>,
    /// Whether its small picture comes by itself.
    pub allowed: Memo<bool>,
    /// Whether it is a spoiler that nobody has uncovered yet.
    pub covered: RwSignal<bool>,
    /// Where its small picture is shown from, once that is here.
    pub picture: Memo<Option<String>>,
    /// All that shows it here, where that is more than a picture.
    pub figure: NodeRef<html::Figure>,
    /// Whether the person has stopped what came by itself.
    stopped: RwSignal<bool>,
}

impl Shown {
    /// Shows a file for as long as the current owner lives.
    pub(super) fn new(file: Attachment, origin: Origin) -> Self {
        let (media, rules) = (Media::here(), Rules::here());
        let original = media.blob(&file.blob);
        let kind = kind(&file.info.mime);
        let covered = RwSignal::new(file.info.spoiler);
        let file = StoredValue::new(file);
        let known = Memo::new(move |_| {
            let blob = origin.renditions.with(|made| file.with_value(|file| thumbnail(file, made)))?;
            let here = media.blob(&blob);
            Some((blob, here))
        });
        // What was blocked with another file does not stand for this one any more.
        let is_blocked = |blob: &Blob| blob.state.with(|state| *state == BlobState::Blocked);
        let small = Memo::new(move |_| known.get().filter(|(_, blob)| !is_blocked(blob)));
        let class = Memo::new(move |_| rules.class(origin.own, &origin.author));
        let allowed = Memo::new(move |_| rules.allow(class.get()));
        let picture = Memo::new(move |_| {
            let thumb = small.with(|small| small.as_ref().map(|(_, blob)| *blob));
            let itself = (kind == Kind::Picture).then_some(original);
            thumb.and_then(url).or_else(|| itself.and_then(url))
        });
        let (figure, stopped) = (NodeRef::new(), RwSignal::new(false));
        Self { media, origin, file, kind, original, small, class, allowed, covered, picture, figure, stopped }
    }

    /// Has the small picture come by itself where that is allowed. Nothing of a blocked file comes, whatever else shows it.
    pub(super) fn come(self) {
        let absent = Memo::new(move |_| {
            let small = self.small.with(|small| small.as_ref().map(|(_, blob)| *blob));
            self.picture.with(Option::is_none)
                && !self.is_blocked()
                && small.is_some_and(|blob| blob.state.with(|state| *state == BlobState::Absent))
        });
        Effect::new(move |_| {
            if absent.get() && self.allowed.get() && !self.stopped.get() {
                self.want_small();
            }
        });
    }

    /// Fetches the small picture, or the file itself where there is none.
    pub(super) fn want_small(self) {
        let class = self.class.get_untracked();
        match self.small.get_untracked() {
            Some((blob, _)) => self.media.want(&blob, class, Urgency::Thumbnail),
            None => self.want(),
        }
    }

    /// Fetches the file itself.
    pub(super) fn want(self) {
        let class = self.class.get_untracked();
        self.media.want(&self.whole().0, class, Urgency::Original);
    }

    /// The file itself, and how it stands.
    pub(super) fn whole(self) -> (BlobRef, Blob) {
        (self.file.with_value(|file| file.blob.clone()), self.original)
    }

    /// Fetches nothing of it any more.
    pub(super) fn stop(self) {
        self.stopped.set(true);
        self.media.unwant(self.file.with_value(|file| file.blob.id));
        if let Some((blob, _)) = self.small.get_untracked() {
            self.media.unwant(blob.id);
        }
    }

    /// Blocks it with all that is known to stand for it, or takes that back.
    pub(super) fn block(self, blocked: bool) {
        let made = self.origin.renditions;
        let all = made.with_untracked(|made| self.file.with_value(|file| blobs(file, made)));
        self.media.block(&all, blocked);
        self.go_on();
    }

    /// To be called when what was pressed goes: puts the focus on what comes in its place, or else on the figure.
    pub(super) fn go_on(self) {
        go_on_in(self.figure.try_get_untracked().flatten(), vec![NEXT.to_owned()]);
    }

    /// Whether it is blocked. Tracked.
    pub(super) fn is_blocked(self) -> bool {
        self.original.state.with(|state| *state == BlobState::Blocked)
    }

    /// Where the file itself is shown from, once it is here. Tracked.
    pub(super) fn url(self) -> Option<String> {
        url(self.original)
    }

    /// What it is called.
    pub(super) fn name(self) -> String {
        self.file.with_value(|file| plain_name(file.info.name.as_deref(), &file.info.mime))
    }

    /// What kind of file it is, in a word.
    pub(super) fn type_word(self) -> String {
        self.file.with_value(|file| t::type_word(&file.info.mime, &self.name()))
    }

    /// The words that stand for it.
    pub(super) fn alt(self) -> String {
        self.file.with_value(|file| file.info.alt.clone()).unwrap_or_else(|| self.name())
    }

    /// Its size in bytes.
    pub(super) fn size(self) -> u64 {
        self.file.with_value(|file| file.blob.size)
    }

    /// Pixels across and down, as its author says.
    pub(super) fn pixels(self) -> Option<(u16, u16)> {
        self.file.with_value(|file| file.info.width.zip(file.info.height))
    }

    /// The colour that stands for it until it is here.
    pub(super) fn colour(self) -> Option<String> {
        self.file.with_value(|file| file.info.thumbhash.as_ref().and_then(|hash| average(hash)))
    }
}

/// Where a blob can be had from, to be shown or not, once it is here. Tracked.
pub(super) fn saved_at(blob: Blob) -> Option<String> {
    blob.state.with(|state| state.url().map(str::to_owned))
}

/// Whether a blob is here and is not to be shown. Tracked.
pub(super) fn is_unshown(blob: Blob) -> bool {
    blob.state.with(|state| matches!(state, BlobState::Unshown(_)))
}

/// Where a blob is shown from, once it is here. Tracked.
pub(super) fn url(blob: Blob) -> Option<String> {
    blob.state.with(|state| if let BlobState::Here(url) = state { Some(url.clone()) } else { None })
}
