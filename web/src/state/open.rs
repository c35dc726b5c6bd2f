//! Views of the node: opened by a component, kept up to date, closed when the component goes.

use chanterelle_core::base::{BoardId, EventId, ThreadId};
use chanterelle_core::node::{Command, Target, Update, ViewId};
use chanterelle_core::view::{BoardCard, Person, PostView, ThreadCard, ThreadHead};
use leptos::prelude::*;

use super::Client;
use super::keyed::{Item, Keyed};

/// A list of which nothing is known until `loaded`.
pub(crate) struct Listing<V: Item> {
    /// What is in it.
    pub items: Keyed<V>,
    /// Whether the node has answered.
    pub loaded: RwSignal<bool>,
}

impl<V: Item> Clone for Listing<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Item> Copy for Listing<V> {}

/// A thread.
#[derive(Clone, Copy)]
pub(crate) struct ThreadView {
    /// What stands above it; `None` while its opening post is not held.
    pub head: RwSignal<Option<ThreadHead>>,
    /// Its posts.
    pub posts: Keyed<PostView>,
    /// Whether the node has answered.
    pub loaded: RwSignal<bool>,
}

/// A single post, for a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PostPreview {
    /// The node has not answered yet.
    Asked,
    /// It is not held here.
    Missing,
    /// This is it.
    Held(Box<PostView>),
}

/// Where the updates of a view go.
#[derive(Clone, Copy)]
pub(super) enum Sink {
    Boards(Listing<BoardCard>),
    Catalog(Listing<ThreadCard>),
    Thread(ThreadView),
    Post(RwSignal<PostPreview>),
    Person(RwSignal<Option<Person>>),
}

impl<V: Item> Listing<V> {
    fn new() -> Self {
        Self { items: Keyed::new(), loaded: RwSignal::new(false) }
    }
}

impl Client {
    /// Shows all boards until the current owner is cleaned up.
    pub(crate) fn open_boards(self) -> Listing<BoardCard> {
        let listing = Listing::new();
        self.open(Target::Boards, Sink::Boards(listing));
        listing
    }

    /// Shows the `limit` latest threads of a board. When `limit` changes the list grows in place.
    pub(crate) fn open_catalog(self, board: BoardId, limit: RwSignal<u32>) -> Listing<ThreadCard> {
        let listing = Listing::new();
        let target = move |limit| Target::Catalog { board, limit };
        let view = self.open(target(limit.get_untracked()), Sink::Catalog(listing));
        Effect::watch(
            move || limit.get(),
            move |&limit, _, _| self.send(Command::Open(view, target(limit))),
            false,
        );
        listing
    }

    /// Shows a thread.
    pub(crate) fn open_thread(self, board: BoardId, thread: ThreadId) -> ThreadView {
        let view =
            ThreadView { head: RwSignal::new(None), posts: Keyed::new(), loaded: RwSignal::new(false) };
        self.open(Target::Thread { board, thread }, Sink::Thread(view));
        view
    }

    /// Shows a post, wherever it is.
    pub(crate) fn open_post(self, post: EventId) -> RwSignal<PostPreview> {
        let preview = RwSignal::new(PostPreview::Asked);
        self.open(Target::Post(post), Sink::Post(preview));
        preview
    }

    pub(super) fn open(self, target: Target, sink: Sink) -> ViewId {
        let view = self.number();
        self.inner.update_value(|inner| {
            inner.sinks.insert(view, sink);
        });
        self.send(Command::Open(view, target));
        on_cleanup(move || {
            self.inner.update_value(|inner| {
                inner.sinks.remove(&view);
            });
            self.send(Command::Close(view));
        });
        view
    }

    /// Updates of views that were closed meanwhile go nowhere.
    pub(super) fn show(self, update: Update) {
        let sink = |view: ViewId| self.inner.with_value(|inner| inner.sinks.get(&view).copied());
        match update {
            Update::Boards(view, delta) => {
                if let Some(Sink::Boards(listing)) = sink(view) {
                    listing.items.apply(delta);
                    arrived(listing.loaded);
                }
            }
            Update::Catalog(view, delta) => {
                if let Some(Sink::Catalog(listing)) = sink(view) {
                    listing.items.apply(delta);
                    arrived(listing.loaded);
                }
            }
            Update::Thread(view, head, delta) => {
                if let Some(Sink::Thread(thread)) = sink(view) {
                    // Later updates leave the head out when it did not change.
                    if head.is_some() {
                        thread.head.set(head);
                    }
                    thread.posts.apply(delta);
                    arrived(thread.loaded);
                }
            }
            Update::Post(view, post) => {
                if let Some(Sink::Post(preview)) = sink(view) {
                    preview.set(post.map_or(PostPreview::Missing, PostPreview::Held));
                }
            }
            Update::Person(view, person) => {
                if let Some(Sink::Person(shown)) = sink(view) {
                    shown.set(person);
                }
            }
            Update::Published { .. }
            | Update::Saved { .. }
            | Update::Refused { .. }
            | Update::Invited { .. }
            | Update::Network(_)
            | Update::Notice(_) => {}
        }
    }
}

fn arrived(loaded: RwSignal<bool>) {
    if !loaded.get_untracked() {
        loaded.set(true);
    }
}
