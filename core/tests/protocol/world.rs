//! Threads with everything that happens in them, as signed events: written out for a story, or drawn for a law.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::admit::Admission;
use chanterelle_core::base::{AuthorId, BlobId, BoardId, BoardName, EventId, Limits, Seconds, ThreadId};
use chanterelle_core::crypto::{no_board, open_board_id};
use chanterelle_core::event::{BlobRef, Event, Fields, Kind, Ref};
use chanterelle_core::store::{Index, Row, RowRef};
use chanterelle_core::view::{
    BoardCard, Bump, PostState, PostView, Source, Texts, ThreadCard, ThreadHead, board_card, bump, post_view,
    text_of, thread_card, thread_head,
};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::kit::{NOW, key, knock};
use super::samples::{self, reference};

/// Replies that bump a thread here: few, so that the limit is met.
pub(super) const BUMP_LIMIT: usize = 3;

/// An event and when it is first seen here.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) event: Event,
    pub(super) at: Seconds,
}

/// One line: a failing world has many.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fields { author, board, thread, time, seq, refs, .. } = self.event.fields();
        let id = self.event.id().short();
        let refs: Vec<String> = refs.iter().map(|r| format!("{} {}", r.rel, r.id.short())).collect();
        write!(f, "{id} {} by {author:?} on {board:?} in {thread:?} at {} ", self.event.kind(), time.0)?;
        write!(f, "seq {seq:?} refs {refs:?} seen {} {:?}", self.at.0, self.event.body())
    }
}

/// Events in the order they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct World(pub(super) Vec<Seen>);

impl World {
    /// Signs an event and adds it, first seen as soon as it says it was written.
    pub(super) fn write(
        &mut self,
        author: u8,
        kind: Kind,
        body: Ipld,
        change: impl FnOnce(&mut Fields),
    ) -> EventId {
        let mut fields = Fields {
            v: 1,
            kind,
            author: key(author).public(),
            acts_for: None,
            board: samples::mushrooms(),
            thread: None,
            time: Seconds(0),
            seq: None,
            refs: Vec::new(),
            blobs: Vec::new(),
            body,
            pow: None,
            ext: None,
        };
        change(&mut fields);
        let unsigned = serde_ipld_dagcbor::to_vec(&fields).expect("fields encode");
        let bytes = samples::sign(unsigned, &key(author)).bytes;
        let event = Event::decode(&bytes, &Limits::default()).expect("an event");
        let (id, at) = (event.id(), event.fields().time);
        self.0.push(Seen { event, at });
        id
    }

    pub(super) fn thread(&mut self, author: u8, time: u64) -> ThreadId {
        let body = ipld!({ "board_name": "mushrooms", "comment": "opening", "salt": Ipld::Bytes(vec![0; 16]), "subject": "title" });
        self.write(author, Kind::THREAD, body, |fields| fields.time = Seconds(time))
    }

    pub(super) fn post(&mut self, author: u8, thread: ThreadId, time: u64, refs: Vec<Ref>) -> EventId {
        self.write(author, Kind::POST, ipld!({ "comment": format!("post at {time}") }), |fields| {
            (fields.thread, fields.time, fields.refs) = (Some(thread), Seconds(time), refs);
        })
    }

    pub(super) fn sage(&mut self, author: u8, thread: ThreadId, time: u64) -> EventId {
        self.write(author, Kind::POST, ipld!({ "comment": "sage", "sage": true }), |fields| {
            (fields.thread, fields.time) = (Some(thread), Seconds(time));
        })
    }

    pub(super) fn edit(
        &mut self,
        author: u8,
        target: EventId,
        time: u64,
        seq: u64,
        comment: &str,
    ) -> EventId {
        let home = self.home(&target);
        self.write(author, Kind::EDIT, ipld!({ "comment": comment }), |fields| {
            (fields.thread, fields.time, fields.seq) = (Some(home), Seconds(time), Some(seq));
            fields.refs = vec![reference("edits", target)];
        })
    }

    pub(super) fn delete(&mut self, author: u8, target: EventId, time: u64) -> EventId {
        let home = self.home(&target);
        self.write(author, Kind::DELETE, ipld!({}), |fields| {
            (fields.thread, fields.time) = (Some(home), Seconds(time));
            fields.refs = vec![reference("deletes", target)];
        })
    }

    /// The last event is first seen at this moment.
    pub(super) fn seen(&mut self, at: u64) {
        self.0.last_mut().expect("an event was written").at = Seconds(at);
    }

    pub(super) fn get(&self, id: &EventId) -> Option<&Event> {
        self.0.iter().map(|seen| &seen.event).find(|event| event.id() == *id)
    }

    fn home(&self, id: &EventId) -> ThreadId {
        let event = self.get(id).expect("written before");
        event.fields().thread.unwrap_or(*id)
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.0.iter().map(|seen| Row::of(&seen.event, seen.at, false)).collect()
    }

    pub(super) fn index(&self) -> Index {
        let mut index = Index::default();
        self.rows().into_iter().for_each(|row| drop(index.insert(row)));
        index
    }

    /// The index of a peer whom the events reach in this order, in batches of these sizes, through the door.
    pub(super) fn arrived(&self, order: &[usize], batches: &[usize]) -> Index {
        let at: BTreeMap<EventId, Seconds> = self.0.iter().map(|seen| (seen.event.id(), seen.at)).collect();
        let mut index = Index::default();
        let mut held = BTreeSet::new();
        let (mut rest, mut batches) = (order, batches.iter().copied().cycle());
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batches.next().unwrap_or(1).clamp(1, rest.len()));
            rest = later;
            let bytes: Vec<Vec<u8>> = batch.iter().map(|n| self.0[*n].event.bytes().to_vec()).collect();
            for admission in knock(&bytes, NOW, &held) {
                match admission {
                    Admission::Accepted(event) => {
                        held.insert(event.id());
                        index.insert(Row::of(&event, at[&event.id()], false));
                    }
                    Admission::Duplicate(id) => assert!(held.contains(&id)),
                    other => panic!("{other:?}"),
                }
            }
        }
        index
    }

    /// Texts of everything.
    pub(super) fn texts(&self) -> Texts {
        self.0.iter().map(|seen| (seen.event.id(), text_of(&seen.event))).collect()
    }

    pub(super) fn shown(&self, index: &Index) -> Shown {
        let texts = self.texts();
        let state = |_: RowRef<'_>| PostState::Saved;
        let boards: BTreeSet<BoardId> = self.0.iter().map(|seen| seen.event.fields().board).collect();
        let ids: BTreeSet<EventId> = self.0.iter().map(|seen| seen.event.id()).collect();
        let pairs = || boards.iter().flat_map(|board| ids.iter().map(move |id| (*board, *id)));
        let bumps: BTreeMap<_, _> =
            pairs().map(|(board, id)| ((board, id), bump(index, &board, &id, BUMP_LIMIT))).collect();
        let producers = BTreeSet::from([author(PRODUCER)]);
        let source = Source { index, texts: &texts, state: &state, producers: &producers };
        let card = |(board, id): &(BoardId, EventId), bump| thread_card(source, board, id, bump, 5);
        let head = |(board, id): &(BoardId, EventId), bump| thread_head(source, board, id, bump);
        Shown {
            boards: boards.iter().map(|board| (*board, board_card(index, board, None, false))).collect(),
            cards: bumps.iter().map(|(place, bump)| (*place, card(place, bump))).collect(),
            heads: bumps.iter().map(|(place, bump)| (*place, head(place, bump))).collect(),
            posts: ids.iter().map(|id| (*id, post_view(source, id))).collect(),
            bumps,
        }
    }
}

/// Whose renditions are believed by whoever looks.
pub(super) const PRODUCER: u8 = 2;

/// Everything a person could see.
#[derive(Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) boards: BTreeMap<BoardId, Option<BoardCard>>,
    pub(super) bumps: BTreeMap<(BoardId, ThreadId), Bump>,
    pub(super) cards: BTreeMap<(BoardId, ThreadId), Option<ThreadCard>>,
    pub(super) heads: BTreeMap<(BoardId, ThreadId), Option<ThreadHead>>,
    pub(super) posts: BTreeMap<EventId, Option<PostView>>,
}

/// How one event of a drawn world comes about; numbers choose among what was written before.
#[derive(Clone, Debug)]
struct Step {
    kind: Kind,
    author: u8,
    board: u8,
    target: prop::sample::Index,
    refs: Vec<(&'static str, prop::sample::Index)>,
    time: u64,
    seen: u64,
    seq: u64,
    flag: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let kinds = vec![
        Kind::THREAD,
        Kind::POST,
        Kind::POST,
        Kind::POST,
        Kind::EDIT,
        Kind::EDIT,
        Kind::DELETE,
        Kind::PROFILE,
        Kind::FOLLOW,
        Kind::RENDITION,
        Kind(9),
    ];
    let rel = select(vec!["answers", "quotes", "edits", "deletes", "renders", "other"]);
    let refs = vec((rel, any::<prop::sample::Index>()), 0..4);
    let place = (select(kinds), 1..4_u8, select(vec![0, 0, 0, 1_u8]), any::<prop::sample::Index>(), refs);
    (place, 0..20_u64, 0..25_u64, 0..3_u64, any::<bool>()).prop_map(
        |((kind, author, board, target, refs), time, seen, seq, flag)| Step {
            kind,
            author,
            board,
            target,
            refs,
            time,
            seen,
            seq,
            flag,
        },
    )
}

/// Boards of a drawn world.
pub(super) fn board(n: u8) -> (BoardName, BoardId) {
    let name = BoardName::new(&format!("board-{n}")).expect("a board name");
    let id = open_board_id(&name);
    (name, id)
}

/// Worlds with few authors, boards and moments, so that everything collides.
pub(super) fn world() -> impl Strategy<Value = World> {
    vec(step(), 1..30).prop_map(|steps| {
        let mut world = World::default();
        for (n, step) in steps.into_iter().enumerate() {
            play(&mut world, n, &step);
        }
        world
    })
}

fn play(world: &mut World, n: usize, step: &Step) {
    let Step { kind, author, seq, flag, .. } = *step;
    let (name, mut place) = board(step.board);
    let unknown = EventId([0x55; 32]);
    let pick = |at: &prop::sample::Index| match world.0.len() {
        0 => unknown,
        count => world.0[at.index(count)].event.id(),
    };
    let target = pick(&step.target);
    let event = world.get(&target);
    let home = event.map_or(unknown, |event| event.fields().thread.unwrap_or(target));
    let mut author = author;
    let mut refs: Vec<Ref> = step.refs.iter().map(|(rel, at)| reference(rel, pick(at))).collect();
    if let (Some(event), Kind::EDIT | Kind::DELETE) = (event, kind) {
        // Mostly by the author of the target and where it is, as honest ones are.
        if flag {
            author = (1..4).find(|n| key(*n).public() == event.fields().author).unwrap_or(author);
        }
        if seq > 0 && event.fields().board != no_board() {
            place = event.fields().board;
        }
    }
    let own = match kind {
        Kind::EDIT => "edits",
        Kind::DELETE => "deletes",
        Kind::RENDITION => "renders",
        _ => "",
    };
    if kind == Kind::RENDITION {
        refs.clear();
    }
    refs.retain(|reference| reference.rel != own);
    let comment = format!("text {n}");
    let body = match kind {
        Kind::THREAD if flag => {
            ipld!({ "board_name": name.as_str(), "comment": comment, "salt": Ipld::Bytes(vec![0; 16]), "subject": format!("title {n}") })
        }
        Kind::THREAD => ipld!({ "comment": comment, "salt": Ipld::Bytes(vec![0; 16]) }),
        Kind::POST if flag => ipld!({ "comment": comment, "sage": true }),
        Kind::EDIT if seq == 2 => ipld!({ "comment": comment, "subject": format!("title {n}") }),
        Kind::POST | Kind::EDIT => ipld!({ "comment": comment }),
        Kind::DELETE => ipld!({}),
        Kind::PROFILE => ipld!({ "name": comment }),
        Kind::FOLLOW if flag => ipld!({ "who": Ipld::Bytes(key(author).public().0.to_vec()), "ended": true }),
        Kind::FOLLOW => ipld!({ "who": Ipld::Bytes(key(author).public().0.to_vec()) }),
        Kind::RENDITION => {
            ipld!({ "profile": "low", "source": Ipld::Bytes(vec![1; 32]), "type": "video/mp4" })
        }
        _ => ipld!(["something new"]),
    };
    let mut body = body;
    // A file with a thumbnail and one without.
    let with_files = seq == 1 && matches!(kind, Kind::THREAD | Kind::POST);
    if let (true, Ipld::Map(body)) = (with_files, &mut body) {
        let files = ipld!([{ "type": "image/webp", "thumb": true }, { "type": "text/plain" }]);
        body.insert("files".to_owned(), files);
    }
    let blobs = match kind {
        Kind::RENDITION => 1,
        _ if with_files => 3,
        _ => 0,
    };
    let times = (step.time, step.seen);
    world.write(author, kind, body, |fields| {
        fields.time = Seconds(times.0);
        fields.board = if kind.is_fact() { no_board() } else { place };
        fields.thread = (kind != Kind::THREAD && !kind.is_fact()).then_some(home);
        fields.seq = (kind == Kind::EDIT || kind.is_fact()).then_some(seq);
        if !own.is_empty() {
            refs.push(reference(own, target));
        }
        fields.blobs = (1..=blobs).map(|n| BlobRef { id: BlobId([n; 32]), size: n.into() }).collect();
        fields.refs = if kind.is_fact() { Vec::new() } else { refs };
    });
    world.seen(step.seen);
}

/// Authors of a world by their number.
pub(super) fn author(n: u8) -> AuthorId {
    key(n).public()
}
