//! Open views: which items changed, whose texts are missing, what the person is told.
//!
//! Changes are gathered and told at most every [`crate::base::Limits::update_every`]; texts are read from storage once
//! and kept while the view is open.

use std::collections::BTreeSet;

use super::api::{Output, Target, Ticket, Update, ViewId};
use super::{Node, Reader};
use crate::base::{BoardId, BoxMap, EventId, Instant, Seconds, ThreadId, set_of};
use crate::crypto::Verify;
use crate::event::{Event, Kind};
use crate::store::{Index, Rel, RowRef};
use crate::view::{
    Bump, Delta, PostState, Source, Texts, board_card, bump, post_view, text_of, texts_needed, thread_card,
    thread_head,
};

/// All open views.
#[derive(Default)]
pub(super) struct Views {
    open: BoxMap<ViewId, View>,
}

struct View {
    target: Target,
    /// Items to be told anew: boards, threads or posts, by their bytes.
    dirty: BTreeSet<[u8; 32]>,
    /// Whether everything is to be told anew.
    reset: bool,
    /// Items told.
    shown: BTreeSet<[u8; 32]>,
    texts: Texts,
    /// Texts being read.
    reading: Option<(Ticket, Vec<EventId>)>,
    not_before: Instant,
    bumps: BoxMap<ThreadId, Bump>,
}

impl View {
    fn is_waiting(&self) -> bool {
        self.reading.is_none() && (self.reset || !self.dirty.is_empty())
    }
}

impl Views {
    pub(super) fn close(&mut self, view: ViewId) {
        self.open.remove(&view);
    }

    /// When a view that changed may be told.
    pub(super) fn wake_at(&self, now: Instant) -> Option<Instant> {
        self.open.values().filter(|view| view.is_waiting()).map(|view| view.not_before.max(now)).min()
    }

    pub(super) fn all_changed(&mut self) {
        self.open.values_mut().for_each(|view| view.reset = true);
    }

    pub(super) fn board_changed(&mut self, board: &BoardId) {
        for view in self.open.values_mut() {
            if view.target == Target::Boards {
                view.dirty.insert(board.0);
            }
        }
    }

    /// Notes what an event that changed its state has to do with what is shown.
    fn row_changed(&mut self, row: RowRef<'_>) {
        let refers_to = || row.refs().map(|(_, id)| id.0);
        for view in self.open.values_mut() {
            match &view.target {
                Target::Boards => {
                    view.dirty.insert(row.board().0);
                }
                Target::Catalog { board, .. } if *board == row.board() => {
                    view.dirty.extend(row.home().map(|thread| thread.0));
                    // An edit may claim to belong to another thread than its target.
                    view.dirty.extend(refers_to());
                }
                Target::Thread { board, thread } if *board == row.board() && Some(*thread) == row.home() => {
                    view.dirty.insert(row.id().0);
                    view.dirty.extend(refers_to());
                }
                // Another thread's post may quote one of this thread.
                Target::Thread { .. } => {
                    let shown = &view.shown;
                    view.dirty.extend(refers_to().filter(|id| shown.contains(id)));
                }
                Target::Post(post) => {
                    if row.id() == *post || refers_to().any(|id| id == post.0) {
                        view.dirty.insert(post.0);
                    }
                }
                Target::Person => view.reset |= row.follow().is_some(),
                Target::Catalog { .. } => {}
            }
        }
    }

    /// Notes that something about the person or their friends changed.
    pub(super) fn person_changed(&mut self) {
        for view in self.open.values_mut() {
            view.reset |= view.target == Target::Person;
        }
    }

    /// Notes what an event that came or is about to go has to do with posts it does not refer to: those that quote
    /// it, and those of the thread it opens, whose opener is known by it.
    fn row_came_or_goes(&mut self, index: &Index, row: RowRef<'_>) {
        let id = row.id();
        let answers = index.referrers(&id, Rel::Answers).chain(index.referrers(&id, Rel::Quotes));
        let quoting = set_of(answers.flat_map(quoted_by));
        for view in self.open.values_mut() {
            match &view.target {
                Target::Thread { thread, .. } if *thread == id => view.dirty.extend(&view.shown),
                Target::Thread { .. } => view.dirty.extend(quoting.intersection(&view.shown)),
                Target::Post(post) => {
                    let of_thread = || index.get(post).is_some_and(|post| post.home() == Some(id));
                    if quoting.contains(&post.0) || of_thread() {
                        view.dirty.insert(post.0);
                    }
                }
                Target::Boards | Target::Catalog { .. } | Target::Person => {}
            }
        }
    }

    /// Notes that it is known now, or no longer, what a board is called.
    pub(super) fn board_named(&mut self, index: &Index, board: &BoardId) {
        let of_board = |id: &EventId| index.get(id).is_some_and(|row| row.board() == *board);
        let tells_name = |id: &EventId| {
            let edits = index.referrers(id, Rel::Edits).chain(index.get(id));
            of_board(id) || edits.flat_map(RowRef::refs).any(|(_, id)| of_board(&id))
        };
        for view in self.open.values_mut() {
            match &view.target {
                Target::Thread { .. } => {
                    let shown = view.shown.iter().filter(|id| tells_name(&EventId(**id)));
                    view.dirty.extend(shown);
                }
                Target::Post(post) if tells_name(post) => {
                    view.dirty.insert(post.0);
                }
                Target::Post(_) | Target::Boards | Target::Catalog { .. } | Target::Person => {}
            }
        }
    }
}

/// The posts in which a quote by `row` is shown: itself, or what it edits.
fn quoted_by(row: RowRef<'_>) -> impl Iterator<Item = [u8; 32]> {
    let edited = row.refs().filter(|(rel, _)| *rel == Rel::Edits).map(|(_, id)| id.0);
    edited.chain([row.id().0])
}

impl<V: Verify> Node<V> {
    pub(super) fn open_view(&mut self, view: ViewId, target: Target) {
        self.sync_opened(&target);
        // Showing more of the same catalog keeps the texts already read.
        let texts = self.views.open.remove(&view).map(|old| old.texts).unwrap_or_default();
        self.views.open.insert(
            view,
            View {
                target,
                dirty: BTreeSet::new(),
                reset: true,
                shown: BTreeSet::new(),
                texts,
                reading: None,
                not_before: self.now.instant,
                bumps: BoxMap::new(),
            },
        );
    }

    /// Notes that an event became durable or was acknowledged.
    pub(super) fn event_changed(&mut self, id: &EventId) {
        if let Some(row) = self.index.get(id) {
            self.views.row_changed(row);
        }
    }

    /// Notes that an event came or is about to go.
    pub(super) fn event_came_or_goes(&mut self, id: &EventId) {
        if let Some(row) = self.index.get(id) {
            self.views.row_changed(row);
            self.views.row_came_or_goes(&self.index, row);
        }
    }

    pub(super) fn flush_views(&mut self) {
        let now = self.now.instant;
        let due = |view: &View| view.is_waiting() && view.not_before <= now;
        let views: Vec<ViewId> =
            self.views.open.iter().filter(|(_, view)| due(view)).map(|(id, _)| *id).collect();
        for id in views {
            let Some(mut view) = self.views.open.remove(&id) else { continue };
            if let Some(update) = self.render(id, &mut view) {
                view.not_before = now + self.limits.update_every;
                self.outputs.push_back(Output::Update(update));
            }
            self.views.open.insert(id, view);
        }
    }

    pub(super) fn on_bodies_for_view(&mut self, id: ViewId, ticket: Ticket, found: &[(EventId, Vec<u8>)]) {
        let limits = &self.limits;
        let Some(view) = self.views.open.get_mut(&id) else { return };
        let Some((_, asked)) = view.reading.take_if(|(reading, _)| *reading == ticket) else { return };
        for (id, bytes) in found {
            // Storage may be damaged; a post without its text is shown as one, not waited for.
            let text = Event::decode(bytes, limits).map(|event| text_of(&event)).unwrap_or_default();
            view.texts.insert(*id, text);
        }
        // What storage does not find is not asked for again.
        for id in asked {
            view.texts.entry(id).or_default();
        }
    }

    /// What a view has to say now; `None` while texts are being read.
    fn render(&mut self, id: ViewId, view: &mut View) -> Option<Update> {
        match view.target.clone() {
            Target::Boards => Some(Update::Boards(id, self.render_boards(view))),
            Target::Catalog { board, limit } => self.render_catalog(id, view, &board, limit),
            Target::Thread { board, thread } => self.render_thread(id, view, &board, &thread),
            Target::Person => {
                view.reset = false;
                Some(Update::Person(id, self.person()))
            }
            Target::Post(post) => {
                self.texts_at_hand(id, view, &[post])?;
                (view.reset, _) = (false, view.dirty.clear());
                let view = post_view(self.source(&view.texts, &self.post_state()), &post);
                Some(Update::Post(id, view.map(Box::new)))
            }
        }
    }

    fn render_boards(&self, view: &mut View) -> Delta<BoardId, crate::view::BoardCard> {
        let reset = core::mem::take(&mut view.reset);
        let mut boards = set_of(core::mem::take(&mut view.dirty).into_iter().map(BoardId));
        if reset {
            view.shown.clear();
            boards.extend(self.index.boards().map(|(board, _)| *board));
            boards.extend(self.subscriptions.keys().chain(self.directory.boards()));
        }
        let card = |board: &BoardId| {
            let subscribed = self.subscriptions.get(board);
            let known = subscribed.or_else(|| self.directory.get(board));
            board_card(&self.index, board, known, subscribed.is_some())
        };
        delta(view, reset, boards.into_iter().map(|board| (board.0, board, card(&board))))
    }

    fn render_catalog(&mut self, id: ViewId, view: &mut View, board: &BoardId, limit: u32) -> Option<Update> {
        let held = self.index.board(board);
        // A post may claim to answer a thread of another board.
        let opens = |row: RowRef<'_>| row.kind() == Kind::THREAD && row.board() == *board;
        let is_open = |thread: &ThreadId| self.index.get(thread).is_some_and(opens);
        let changed: Vec<ThreadId> = if view.reset {
            held.map(|held| held.threads().collect()).unwrap_or_default()
        } else {
            view.dirty.iter().map(|id| EventId(*id)).collect()
        };
        for thread in &changed {
            if is_open(thread) {
                view.bumps.insert(*thread, bump(&self.index, board, thread, self.limits.bump_limit));
            } else {
                view.bumps.remove(thread);
            }
        }
        let mut ranked: Vec<(Seconds, ThreadId)> =
            view.bumps.iter().map(|(thread, bump)| (bump.bumped, *thread)).collect();
        let limit = limit as usize;
        if ranked.len() > limit && limit > 0 {
            ranked.select_nth_unstable_by(limit - 1, |a, b| b.cmp(a));
        }
        ranked.truncate(limit);
        let top = set_of(ranked.into_iter().map(|(_, thread)| thread));
        let told = |thread: &ThreadId| view.shown.contains(&thread.0) && !view.reset;
        let mut items: Vec<ThreadId> =
            top.iter().filter(|thread| !told(thread) || view.dirty.contains(&thread.0)).copied().collect();
        self.texts_at_hand(id, view, &items)?;
        items.extend(view.shown.iter().map(|id| EventId(*id)).filter(|thread| !top.contains(thread)));
        items.extend(changed.iter().filter(|thread| !top.contains(*thread)));
        items.sort_unstable();
        items.dedup();
        let reset = core::mem::take(&mut view.reset);
        view.dirty.clear();
        if reset {
            view.shown.clear();
        }
        let state = self.post_state();
        let cards: Vec<_> = items
            .into_iter()
            .map(|thread| {
                let bump = view.bumps.get(&thread).filter(|_| top.contains(&thread));
                let excerpt = self.limits.excerpt_chars;
                let card = bump.and_then(|bump| {
                    thread_card(self.source(&view.texts, &state), board, &thread, bump, excerpt)
                });
                (thread.0, thread, card)
            })
            .collect();
        Some(Update::Catalog(id, delta(view, reset, cards.into_iter())))
    }

    fn render_thread(
        &mut self,
        id: ViewId,
        view: &mut View,
        board: &BoardId,
        thread: &ThreadId,
    ) -> Option<Update> {
        let mut items = set_of(view.dirty.iter().map(|id| EventId(*id)));
        // The head has the opening post's title.
        items.insert(*thread);
        if view.reset {
            items.extend(self.index.of_thread(board, thread).map(RowRef::id));
        }
        let here = |id: &EventId| {
            self.index.get(id).is_some_and(|row| row.board() == *board && row.home() == Some(*thread))
        };
        let items: Vec<EventId> =
            items.into_iter().filter(|id| here(id) || view.shown.contains(&id.0)).collect();
        self.texts_at_hand(id, view, &items)?;
        let reset = core::mem::take(&mut view.reset);
        let dirty = core::mem::take(&mut view.dirty);
        if reset {
            view.shown.clear();
        }
        let bump = bump(&self.index, board, thread, self.limits.bump_limit);
        let state = self.post_state();
        let source = self.source(&view.texts, &state);
        let head = thread_head(source, board, thread, &bump);
        let posts: Vec<_> = items
            .into_iter()
            .filter(|id| reset || dirty.contains(&id.0))
            .map(|id| (id.0, id, post_view(source, &id)))
            .collect();
        Some(Update::Thread(id, head, delta(view, reset, posts.into_iter())))
    }

    /// Makes sure the texts of `items` are at hand; else has them read and gives `None`.
    fn texts_at_hand(&mut self, id: ViewId, view: &mut View, items: &[EventId]) -> Option<()> {
        let mut missing = Vec::new();
        for source in items.iter().flat_map(|item| texts_needed(&self.index, item, self.producers.all())) {
            if view.texts.contains_key(&source) {
                continue;
            }
            match self.persist.bytes(&source) {
                Some(bytes) => {
                    let text = Event::decode(bytes, &self.limits).map(|event| text_of(&event));
                    view.texts.insert(source, text.unwrap_or_default());
                }
                None => missing.push(source),
            }
        }
        if missing.is_empty() {
            return Some(());
        }
        let ticket = self.ticket();
        view.reading = Some((ticket, missing.clone()));
        self.reads.insert(ticket, Reader::View(id));
        self.outputs.push_back(Output::Read(ticket, missing));
        None
    }

    fn source<'a>(&'a self, texts: &'a Texts, state: &'a dyn Fn(RowRef<'_>) -> PostState) -> Source<'a> {
        Source { index: &self.index, texts, state, producers: self.producers.all() }
    }

    fn post_state(&self) -> impl Fn(RowRef<'_>) -> PostState + use<'_, V> {
        |row| match (self.persist.is_pending(&row.id()), row.own() && row.sent()) {
            (true, _) => PostState::Pending,
            (false, true) => PostState::Sent,
            (false, false) => PostState::Saved,
        }
    }
}

/// Sorts items into those to put and those to remove, and notes what is shown from now on.
fn delta<K, T>(
    view: &mut View,
    reset: bool,
    items: impl Iterator<Item = ([u8; 32], K, Option<T>)>,
) -> Delta<K, T> {
    let mut delta = Delta { reset, remove: Vec::new(), put: Vec::new() };
    for (bytes, key, item) in items {
        match item {
            Some(item) => {
                view.shown.insert(bytes);
                delta.put.push(item);
            }
            None => {
                if view.shown.remove(&bytes) {
                    delta.remove.push(key);
                }
            }
        }
    }
    delta
}
