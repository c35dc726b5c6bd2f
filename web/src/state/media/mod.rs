//! Files on the page: how each blob stands here, what is fetched without being asked for, and files being made ready for
//! a post.
//!
//! Nothing of somebody else's file is fetched before a rule of the person's allows it. The bytes are the media program's.

mod prepare;
mod remembered;
mod told;

use std::collections::BTreeMap;
use std::time::Duration;

use chanterelle_core::base::{BlobId, BoardId};
use chanterelle_core::event::{Attachment, BlobRef};
use futures_timer::Delay;
use leptos::ev;
use leptos::prelude::*;
use vecmap::VecMap;

use super::Client;
use crate::media::{self, Call, Tab, ToMedia};

pub(crate) use crate::media::{AllUsage, Class, PrepareError, StoreError, Urgency};
pub(crate) use prepare::{Made, Preparing, Step};

use remembered::Ids;
use told::Opening;

/// How long what is asked for one after the other is gathered: a page draws its posts within one or two.
const GATHER: Duration = Duration::from_millis(30);

/// Blobs whose holders are looked for at a time, which is as many as a peer is asked about.
const WATCHED: usize = 256;

/// How a blob stands here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BlobState {
    /// Not here, and not wanted.
    Absent,
    /// Wanted, and nobody who is connected has it.
    Looking,
    /// On its way: bytes here and checked.
    Coming(u64),
    /// All here and checked: a URL to show it by, for as long as it is here.
    Here(String),
    /// All here and checked, but not to be shown as a picture: it is none that browsers show, or would take too much memory. A
    /// URL to save it by.
    Unshown(String),
    /// It cannot be had or kept.
    Failed(Lost),
    /// The person does not want to see it, anywhere.
    Blocked,
}

/// Why a blob cannot be had or kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lost {
    /// There is no room for it.
    NoRoom,
    /// It is more than all files of strangers may take; it can be pinned.
    NoShare,
    /// The storage fails.
    Storage(StoreError),
    /// The program that keeps files has stopped, in the browser's words.
    Stopped(String),
}

/// A blob that something on the page shows or offers. A handle.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Blob {
    /// How it stands.
    pub(crate) state: RwSignal<BlobState>,
    /// How many connected peers hold some of it; none before any could be asked.
    pub(crate) holders: RwSignal<Option<u32>>,
    /// Whether the person keeps it when room is needed.
    pub(crate) kept: RwSignal<bool>,
}

/// What is known of a blob.
struct Entry {
    blob: Blob,
    size: u64,
    /// How many parts of the page show it.
    watchers: u32,
    /// Whose it is, and how soon it is needed, if it is to come.
    wanted: Option<(Class, Urgency)>,
    /// Whether the program was asked for it.
    is_known: bool,
}

impl BlobState {
    /// Where it can be had from, if all of it is here.
    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            BlobState::Here(url) | BlobState::Unshown(url) => Some(url),
            _ => None,
        }
    }
}

impl Entry {
    /// It is blocked, or no longer.
    fn block(&mut self, blocked: bool) {
        self.wanted = None;
        self.is_known = false;
        self.stand(if blocked { BlobState::Blocked } else { BlobState::Absent });
    }

    /// It stands so now: what it was shown by is of no use any more.
    fn stand(&self, state: BlobState) {
        self.blob.state.with_untracked(|before| before.url().into_iter().for_each(revoke));
        self.blob.state.set(state);
    }
}

/// Lets the browser forget a URL.
fn revoke(url: &str) {
    let _ = web_sys::Url::revoke_object_url(url);
}

/// The media of the page. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Media {
    inner: StoredValue<Inner, LocalStorage>,
    /// Under which signals live as long as the page.
    owner: StoredValue<Owner>,
    /// Boards whose thumbnails come without being asked for.
    boards: RwSignal<Vec<BoardId>>,
    /// What the storage of files refuses though nobody asked.
    pub(crate) trouble: RwSignal<Option<StoreError>>,
    /// What files take here, once that was asked.
    pub(crate) usage: RwSignal<Option<AllUsage>>,
    /// How many blobs the person has blocked.
    pub(crate) blocked: RwSignal<usize>,
    /// Whether files are kept for this visit alone.
    pub(crate) memory_only: RwSignal<bool>,
}

struct Inner {
    /// None where the browser gives no worker.
    program: Option<media::Media>,
    /// In boxes, as other maps of ids, so that they share one program.
    blobs: BTreeMap<BlobId, Box<Entry>>,
    /// Those that are shown somewhere, the latest last.
    shown: Vec<BlobId>,
    opening: VecMap<Call, Opening>,
    preparing: VecMap<Call, (RwSignal<Step>, Option<String>)>,
    blocked: Ids,
    kept: Ids,
    is_gathering: bool,
}

impl Media {
    /// Takes up what was remembered, and hears of files from now on, for as long as the page lives.
    pub(crate) fn start(client: Client) -> Self {
        let program = client.link().media();
        let blocked = Ids::remembered(remembered::BLOCKED);
        let count = blocked.count();
        let media = Self {
            inner: StoredValue::new_local(Inner {
                program: program.clone(),
                blobs: BTreeMap::new(),
                shown: Vec::new(),
                opening: VecMap::new(),
                preparing: VecMap::new(),
                blocked,
                kept: Ids::remembered(remembered::KEPT),
                is_gathering: false,
            }),
            owner: StoredValue::new(Owner::current().expect("the page has an owner")),
            boards: RwSignal::new(remembered::boards().unwrap_or_default()),
            trouble: RwSignal::new(None),
            usage: RwSignal::new(None),
            blocked: RwSignal::new(count),
            memory_only: RwSignal::new(false),
        };
        // For as long as the page. Told of other tabs alone.
        std::mem::forget(window_event_listener(ev::storage, move |event| {
            if event.key().is_none_or(|key| remembered::is_ours(&key)) {
                media.look_again();
            }
        }));
        if let Some(program) = program {
            program.listen(move |told| media.on_told(told));
        }
        media
    }

    /// The media of the page a component is in.
    pub(crate) fn here() -> Self {
        expect_context()
    }

    /// A blob, for as long as the reactive owner that calls this lives: so long it is looked out for who holds it.
    pub(crate) fn blob(self, blob: &BlobRef) -> Blob {
        let id = blob.id;
        let found = self.change(&id, blob.size, |entry| {
            entry.watchers += 1;
            entry.blob
        });
        self.inner.update_value(|inner| {
            inner.shown.retain(|other| *other != id);
            inner.shown.push(id);
        });
        on_cleanup(move || {
            let unseen = self.inner.try_update_value(|inner| {
                let entry = inner.blobs.get_mut(&id)?;
                entry.watchers -= 1;
                if entry.watchers == 0 {
                    inner.shown.retain(|other| *other != id);
                }
                let is_small = matches!(entry.wanted, Some((_, Urgency::Thumbnail)));
                (entry.watchers == 0 && is_small).then_some(())
            });
            // What was asked for by a click comes, also when one reads on meanwhile.
            if unseen.flatten().is_some() {
                self.unwant(id);
            }
            self.gather();
        });
        self.gather();
        found
    }

    /// Has it fetched.
    pub(crate) fn want(self, blob: &BlobRef, class: Class, urgency: Urgency) {
        let is_open = self.change(&blob.id, blob.size, |entry| {
            let state = entry.blob.state;
            if state.with_untracked(|state| state.url().is_some() || *state == BlobState::Blocked) {
                return false;
            }
            // Said again, it may be more urgent.
            let before = entry.wanted.replace((class, urgency));
            if before.is_none() {
                state.set(BlobState::Looking);
            }
            before != Some((class, urgency))
        });
        if is_open {
            self.say_want(blob.id);
        }
    }

    /// No longer has it fetched, by nobody on this page. What is here stays.
    pub(crate) fn unwant(self, blob: BlobId) {
        let was_wanted = self.inner.try_update_value(|inner| {
            let entry = inner.blobs.get_mut(&blob)?;
            entry.wanted.take()?;
            if matches!(entry.blob.state.get_untracked(), BlobState::Looking | BlobState::Coming(_)) {
                entry.blob.state.set(BlobState::Absent);
            }
            Some(())
        });
        if was_wanted.flatten().is_some() {
            self.say(&ToMedia::Unwant(self.tab(), blob));
        }
    }

    /// Asks what files take here, which then is in `usage`. Nothing is started where none were ever kept.
    pub(crate) fn ask_usage(self) {
        let asked = self.program().is_some_and(|program| program.consult(&ToMedia::Usage(program.call())));
        if !asked {
            self.usage.set(Some(AllUsage::default()));
        }
    }

    /// Files that were posted are kept as one's own.
    pub(crate) fn posted(self, files: &[Attachment]) {
        let blobs = files.iter().flat_map(|file| [Some(&file.blob), file.thumb.as_ref()]);
        let ids: Vec<BlobId> = blobs.flatten().map(|blob| blob.id).collect();
        if !ids.is_empty() {
            self.say(&ToMedia::Keep { ids, class: Class::Own });
        }
    }

    /// Does something with what is known of a blob, of which nothing may have been known.
    fn change<T>(self, id: &BlobId, size: u64, change: impl FnOnce(&mut Entry) -> T) -> T {
        self.inner
            .try_update_value(|inner| {
                let (is_blocked, is_kept) = (inner.blocked.has(id), inner.kept.has(id));
                let entry = inner.blobs.entry(*id).or_insert_with(|| {
                    let state = if is_blocked { BlobState::Blocked } else { BlobState::Absent };
                    let blob = self.owner.with_value(|owner| {
                        owner.with(|| Blob {
                            state: RwSignal::new(state),
                            holders: RwSignal::new(None),
                            kept: RwSignal::new(is_kept),
                        })
                    });
                    Box::new(Entry { blob, size, watchers: 0, wanted: None, is_known: false })
                });
                change(entry)
            })
            .expect("the page's media live as long as the page")
    }

    /// Asks soon, and for all at once, what is here and who holds what is not.
    fn gather(self) {
        let is_first = self.inner.try_update_value(|inner| !std::mem::replace(&mut inner.is_gathering, true));
        if is_first == Some(true) {
            leptos::task::spawn_local(async move {
                Delay::new(GATHER).await;
                self.ask();
            });
        }
    }

    fn ask(self) {
        let asked = self.inner.try_update_value(|inner| {
            inner.is_gathering = false;
            let mut unknown = Vec::new();
            for (id, entry) in inner.blobs.iter_mut().filter(|(_, entry)| entry.watchers > 0) {
                if !std::mem::replace(&mut entry.is_known, true) {
                    unknown.push(*id);
                }
            }
            let watched = inner.shown.iter().rev().take(WATCHED).copied().collect();
            (watched, unknown)
        });
        let Some((watched, ids)) = asked else { return };
        if !ids.is_empty() {
            self.say(&ToMedia::Here { call: self.call(), ids });
        }
        self.mention(&ToMedia::Watch(watched));
    }

    fn say_want(self, id: BlobId) {
        let want = self.inner.with_value(|inner| {
            let entry = inner.blobs.get(&id)?;
            let (class, urgency) = entry.wanted?;
            let class = if inner.kept.has(&id) { class.min(Class::Pinned) } else { class };
            Some(ToMedia::Want { tab: self.tab(), id, size: entry.size, class, urgency, hints: Vec::new() })
        });
        if let Some(want) = want {
            self.say(&want);
        }
    }

    fn say_blocked(self) {
        let blocked = self.inner.with_value(|inner| inner.blocked.all());
        self.blocked.set(blocked.len());
        self.mention(&ToMedia::Block(blocked));
    }

    fn program(self) -> Option<media::Media> {
        self.inner.try_with_value(|inner| inner.program.clone()).flatten()
    }

    fn tab(self) -> Tab {
        self.program().map_or(0, |program| program.tab())
    }

    fn call(self) -> Call {
        self.program().map_or(0, |program| program.call())
    }

    /// Says something to the program, which is started if it does not run.
    fn say(self, message: &ToMedia) {
        if let Some(program) = self.program() {
            program.say(message, &[]);
        }
    }

    /// Says something to the program if it runs.
    fn mention(self, message: &ToMedia) {
        if let Some(program) = self.program() {
            program.mention(message);
        }
    }
}
