//! What a person sees: updates applied to maps, as a page does it.

use std::collections::BTreeMap;

use chanterelle_core::base::{BoardId, EventId, ThreadId};
use chanterelle_core::node::Update;
use chanterelle_core::view::{BoardCard, Delta, PostState, PostView, ThreadCard, ThreadHead};

/// One open view.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Screen {
    pub(super) boards: BTreeMap<BoardId, BoardCard>,
    pub(super) threads: BTreeMap<ThreadId, ThreadCard>,
    pub(super) head: Option<ThreadHead>,
    pub(super) posts: BTreeMap<EventId, PostView>,
    pub(super) single: Option<PostView>,
}

impl Screen {
    /// Applies an update of this view. `first` when nothing was shown before: it must then start anew.
    pub(super) fn apply(&mut self, update: &Update, first: bool) {
        match update {
            Update::Boards(_, delta) => merge(&mut self.boards, delta, first, |card| card.id),
            Update::Catalog(_, delta) => merge(&mut self.threads, delta, first, |card| card.id),
            Update::Thread(_, head, delta) => {
                self.head.clone_from(head);
                merge(&mut self.posts, delta, first, |post| post.id);
            }
            Update::Post(_, post) => self.single = post.as_deref().cloned(),
            other => panic!("{other:?} is of no view"),
        }
    }

    /// Threads in the order of a catalog.
    pub(super) fn ranked(&self) -> Vec<ThreadId> {
        let mut ranked: Vec<_> = self.threads.values().map(|card| (card.bumped, card.id)).collect();
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        ranked.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn post(&self, id: EventId) -> &PostView {
        self.posts.get(&id).unwrap_or_else(|| panic!("{id:?} is not shown"))
    }

    pub(super) fn state(&self, id: EventId) -> PostState {
        self.post(id).state
    }

    pub(super) fn comment(&self, id: EventId) -> &str {
        &self.post(id).comment
    }
}

/// The view an update is of.
pub(super) fn view_of(update: &Update) -> Option<u32> {
    match update {
        Update::Boards(view, _)
        | Update::Catalog(view, _)
        | Update::Thread(view, ..)
        | Update::Post(view, _) => Some(*view),
        _ => None,
    }
}

fn merge<K: Ord + Copy + core::fmt::Debug, V: Clone>(
    shown: &mut BTreeMap<K, V>,
    delta: &Delta<K, V>,
    first: bool,
    key: impl Fn(&V) -> K,
) {
    assert!(!first || delta.reset, "the first update of a view is all of it");
    if delta.reset {
        shown.clear();
    }
    for gone in &delta.remove {
        assert!(shown.remove(gone).is_some(), "{gone:?} is taken away and was not shown");
    }
    for item in &delta.put {
        shown.insert(key(item), item.clone());
    }
}
