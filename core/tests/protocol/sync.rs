//! Reconciliation: two sets come to agree in few steps, and nothing a peer sends breaks the exchange.

use std::collections::BTreeSet;

use chanterelle_core::base::{AuthorId, BoardId, EventId, PeerId, Seconds};
use chanterelle_core::crypto::no_board;
use chanterelle_core::store::{Index, Row};
use chanterelle_core::sync::{Difference, Reconciler, SyncError, events_in};
use chanterelle_core::wire::Scope;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::samples;
use super::strategies::{damage, damaged, laws};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PEER: PeerId = PeerId([7; 32]);
const BOARD: BoardId = BoardId([1; 32]);
const SCOPE: Scope = Scope::Board(BOARD);
/// The least the negentropy crate allows, so that messages are cut, and what the network runs with.
const LIMITS: [u64; 2] = [4_096, 65_536];

/// An event whose id looks random and follows from its number.
fn stamp(n: u32, seconds: u64) -> (Seconds, EventId) {
    let id = EventId(*blake3::hash(&n.to_le_bytes()).as_bytes());
    (Seconds(u64::from(id.0[0]) % seconds), id)
}

fn index(stamps: impl IntoIterator<Item = (Seconds, EventId)>) -> Index {
    let sample = Row::of(&samples::event("post"), Seconds(0), false);
    let mut index = Index::default();
    for (time, id) in stamps {
        index.insert(Row { time, id, board: BOARD, ..sample.clone() });
    }
    index
}

struct Outcome {
    have: Vec<EventId>,
    need: Vec<EventId>,
    /// Messages sent by the side that began.
    steps: usize,
    longest: usize,
}

/// A whole reconciliation between honest peers.
fn reconcile(ours: &Index, theirs: &Index, scope: Scope, limits: [u64; 2]) -> Outcome {
    let (mut here, mut there) = (Reconciler::new(limits[0]), Reconciler::new(limits[1]));
    let (call, mut message) = here.begin(ours, PEER, scope);
    let mut outcome = Outcome { have: Vec::new(), need: Vec::new(), steps: 0, longest: message.len() };
    loop {
        outcome.steps += 1;
        assert!(outcome.steps < 1_000, "a reconciliation ends");
        let answer = there.answer(theirs, scope, &message).expect("an honest message");
        let (told, difference) = here.resume(ours, PEER, call, &answer).expect("an honest answer");
        assert_eq!(told, scope);
        outcome.longest = outcome.longest.max(answer.len());
        outcome.have.extend(difference.have);
        outcome.need.extend(difference.need);
        let Some(next) = difference.next else { break };
        outcome.longest = outcome.longest.max(next.len());
        message = next;
    }
    let late = here.resume(ours, PEER, call, &[0x61]);
    assert_eq!(late, Err(SyncError::UnknownCall), "what is over is forgotten");
    outcome
}

fn ids(index: &Index) -> BTreeSet<EventId> {
    index.rows().map(|row| row.id()).collect()
}

/// A message made by somebody who knows the form: ranges of any bound and kind.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let varint = || {
        prop_oneof![
            (0..4_u64).prop_map(|n| vec![n as u8]),
            any::<u64>().prop_map(|n| {
                let mut bytes: Vec<u8> =
                    (0..10).rev().map(|at| (n >> (7 * at)) as u8 & 0x7f | 0x80).collect();
                bytes[9] &= 0x7f;
                bytes
            }),
            vec(Just(0xff_u8), 1..12),
        ]
    };
    let prefix = prop_oneof![
        4 => vec(any::<u8>(), 0..33).prop_map(|id| [&[id.len() as u8], id.as_slice()].concat()),
        1 => varint(),
    ];
    let content = prop_oneof![
        Just(vec![0]),
        vec(any::<u8>(), 16..17).prop_map(|fingerprint| [&[1], fingerprint.as_slice()].concat()),
        vec(0..400_u32, 0..8).prop_map(|numbers| {
            let ids: Vec<u8> = numbers.iter().flat_map(|n| stamp(*n, 100).1.0).collect();
            [&[2, numbers.len() as u8], ids.as_slice()].concat()
        }),
        (varint(), vec(any::<u8>(), 0..70)).prop_map(|(count, ids)| [&[2], count.as_slice(), &ids].concat()),
        varint(),
    ];
    let range = (varint(), prefix, content).prop_map(|(time, id, content)| [time, id, content].concat());
    let version = prop_oneof![9 => Just(0x61), 1 => any::<u8>()];
    (version, vec(range, 0..12))
        .prop_map(|(version, ranges)| [&[version], ranges.concat().as_slice()].concat())
}

proptest! {
    #![proptest_config(laws(96))]

    #[test]
    fn the_difference_is_found_exactly(
        common in select(vec![0_u32, 1, 31, 32, 33, 200, 1_500]),
        only_ours in select(vec![0_u32, 1, 15, 40, 300]),
        only_theirs in select(vec![0_u32, 1, 15, 40, 300]),
        seconds in select(vec![1_u64, 3, 256]),
        ours_limit in select(LIMITS.to_vec()),
        theirs_limit in select(LIMITS.to_vec()),
    ) {
        let range = |from: u32, count: u32| (from..from + count).map(|n| stamp(n, seconds));
        let ours = range(0, common).chain(range(10_000, only_ours));
        let theirs = range(0, common).chain(range(20_000, only_theirs));
        let (mut ours, mut theirs) = (index(ours), index(theirs));
        let outcome = reconcile(&ours, &theirs, SCOPE, [ours_limit, theirs_limit]);
        prop_assert!(outcome.longest as u64 <= ours_limit.max(theirs_limit));

        let (have, need): (BTreeSet<_>, BTreeSet<_>) =
            (outcome.have.iter().copied().collect(), outcome.need.iter().copied().collect());
        prop_assert_eq!(&have, &ids(&ours).difference(&ids(&theirs)).copied().collect());
        prop_assert_eq!(&need, &ids(&theirs).difference(&ids(&ours)).copied().collect());

        // Each level splits a range into 16, and where a message is cut both sides go on from there.
        let cut = (common + only_ours + only_theirs) as usize * 32 / (LIMITS[0] as usize - 300);
        prop_assert!(outcome.steps <= 4 + 2 * cut, "{} steps", outcome.steps);

        let missing = |from: &Index, ids: BTreeSet<EventId>| -> Vec<Row> {
            ids.iter().map(|id| from.get(id).expect("held there").to_row()).collect()
        };
        let (to_ours, to_theirs) = (missing(&theirs, need), missing(&ours, have));
        to_ours.into_iter().for_each(|row| drop(ours.insert(row)));
        to_theirs.into_iter().for_each(|row| drop(theirs.insert(row)));
        let again = reconcile(&ours, &theirs, SCOPE, [ours_limit, theirs_limit]);
        prop_assert_eq!((again.have, again.need, again.steps), (vec![], vec![], 1), "equal peers see it at once");
    }

    #[test]
    fn no_message_breaks_the_answer(
        held in select(vec![0_u32, 1, 31, 32, 33, 200, 400]),
        message in prop_oneof![message(), vec(any::<u8>(), 0..300)],
        limit in select(LIMITS.to_vec()),
    ) {
        let index = index((0..held).map(|n| stamp(n, 100)));
        if let Ok(answer) = Reconciler::new(limit).answer(&index, SCOPE, &message) {
            prop_assert!(answer.len() as u64 <= limit, "{} bytes", answer.len());
        }
    }

    #[test]
    fn no_answer_breaks_the_exchange(
        held in select(vec![0_u32, 1, 31, 32, 33, 200, 400]),
        answers in vec(prop_oneof![message(), vec(any::<u8>(), 0..300)], 1..4),
        limit in select(LIMITS.to_vec()),
    ) {
        let index = index((0..held).map(|n| stamp(n, 100)));
        let mut reconciler = Reconciler::new(limit);
        let (call, _) = reconciler.begin(&index, PEER, SCOPE);
        let mut open = true;
        for answer in answers {
            match reconciler.resume(&index, PEER, call, &answer) {
                Ok((scope, Difference { next, have, need })) => {
                    prop_assert!(open);
                    prop_assert_eq!(scope, SCOPE);
                    prop_assert!(next.as_ref().is_none_or(|next| next.len() as u64 <= limit));
                    prop_assert!(have.iter().all(|id| index.contains(id)));
                    prop_assert!(need.len() <= answer.len() / 32);
                    open = next.is_some();
                }
                Err(error) => {
                    let expected = if open { SyncError::Message } else { SyncError::UnknownCall };
                    prop_assert_eq!(error, expected);
                    open = false;
                }
            }
        }
    }

    /// Honest messages, damaged on the way.
    #[test]
    fn no_damage_breaks_the_exchange(
        common in select(vec![0_u32, 20, 300]),
        damages in vec(damage(), 1..6),
        limit in select(LIMITS.to_vec()),
    ) {
        let ours = index((0..common).chain(1_000..1_040).map(|n| stamp(n, 3)));
        let theirs = index((0..common).chain(2_000..2_040).map(|n| stamp(n, 3)));
        let (mut here, mut there) = (Reconciler::new(limit), Reconciler::new(limit));
        let (call, mut message) = here.begin(&ours, PEER, SCOPE);
        for damage in damages {
            let Ok(answer) = there.answer(&theirs, SCOPE, &damaged(&message, &damage)) else { break };
            prop_assert!(answer.len() as u64 <= limit);
            let Ok((_, difference)) = here.resume(&ours, PEER, call, &damaged(&answer, &damage)) else { break };
            let Some(next) = difference.next else { break };
            message = next;
        }
    }
}

#[test]
fn messages_that_are_none() {
    let index = index((0..100).map(|n| stamp(n, 100)));
    for message in
        [&[][..], &[0x60 - 1], &[0x70], &[0xff, 0xff], &[0x61, 0, 0, 3], &[0x61, 0, 33], &[0x61, 0, 0, 1, 0]]
    {
        let answer = Reconciler::new(4_096).answer(&index, SCOPE, message);
        assert_eq!(answer, Err(SyncError::Message), "{message:02x?}");
        let mut reconciler = Reconciler::new(4_096);
        let (call, _) = reconciler.begin(&index, PEER, SCOPE);
        assert_eq!(reconciler.resume(&index, PEER, call, message), Err(SyncError::Message), "{message:02x?}");
    }
    // Another version of negentropy is answered by the one spoken here.
    assert_eq!(Reconciler::new(4_096).answer(&index, SCOPE, &[0x62, 1, 2, 3]), Ok(vec![0x61]));
}

#[test]
fn an_answer_belongs_to_a_call_and_its_peer() {
    let index = index((0..100).map(|n| stamp(n, 100)));
    let mut reconciler = Reconciler::new(4_096);
    let (call, _) = reconciler.begin(&index, PEER, SCOPE);
    let (other, _) = reconciler.begin(&index, PEER, SCOPE);
    assert_ne!(call, other);
    let done = [0x61];
    assert_eq!(
        reconciler.resume(&index, PeerId([8; 32]), call, &done),
        Err(SyncError::UnknownCall),
        "another peer"
    );
    assert_eq!(reconciler.resume(&index, PEER, 99, &done), Err(SyncError::UnknownCall), "never begun");
    assert_eq!(
        reconciler.resume(&index, PEER, call, &done),
        Ok((SCOPE, Difference::default())),
        "still open"
    );
    reconciler.abandon(other);
    assert_eq!(reconciler.resume(&index, PEER, other, &done), Err(SyncError::UnknownCall), "abandoned");
}

/// A peer that always finds one more difference is left in the end.
#[test]
fn a_reconciliation_without_end_is_given_up() {
    let index = index((0..100).map(|n| stamp(n, 100)));
    let mut reconciler = Reconciler::new(4_096);
    let (call, _) = reconciler.begin(&index, PEER, SCOPE);
    // All events, and a fingerprint that is never right.
    let answer = [&[0x61, 0, 0, 1], [9; 16].as_slice()].concat();
    let mut steps = 0;
    let error = loop {
        match reconciler.resume(&index, PEER, call, &answer) {
            Ok((_, difference)) => assert!(difference.next.is_some()),
            Err(error) => break error,
        }
        steps += 1;
        assert!(steps < 10_000, "no end");
    };
    assert_eq!(error, SyncError::Endless);
    assert_eq!(reconciler.resume(&index, PEER, call, &answer), Err(SyncError::UnknownCall));
}

/// What changes between two steps is not missed by the vector kept for a scope.
#[test]
fn an_index_may_change_between_the_steps() {
    let mut ours = index((0..500).map(|n| stamp(n, 100)));
    let theirs = index((0..520).map(|n| stamp(n, 100)));
    let (mut here, mut there) = (Reconciler::new(4_096), Reconciler::new(4_096));
    let (call, mut message) = here.begin(&ours, PEER, SCOPE);
    let sample = ours.rows().next().expect("one of 500").to_row();
    let mut late = 510..520;
    let mut need = BTreeSet::new();
    loop {
        let answer = there.answer(&theirs, SCOPE, &message).expect("an honest message");
        if let Some(n) = late.next() {
            let (time, id) = stamp(n, 100);
            ours.insert(Row { id, time, ..sample.clone() });
        }
        let (_, difference) = here.resume(&ours, PEER, call, &answer).expect("an honest answer");
        need.extend(difference.need);
        match difference.next {
            Some(next) => message = next,
            None => break,
        }
    }
    let lacking: BTreeSet<_> = ids(&theirs).difference(&ids(&ours)).copied().collect();
    assert!(lacking.is_subset(&need), "nothing lacking was overlooked");
    let outcome = reconcile(&ours, &theirs, SCOPE, [4_096; 2]);
    assert_eq!(outcome.need.into_iter().collect::<BTreeSet<_>>(), lacking);
}

#[test]
fn a_scope_holds_what_belongs_to_it() {
    let (author, thread) = (AuthorId([3; 32]), EventId([4; 32]));
    let sample = Row { author, ..Row::of(&samples::event("post"), Seconds(0), false) };
    let row = |n: u8, time: u64, board: BoardId, thread: Option<EventId>| Row {
        id: EventId([n; 32]),
        time: Seconds(time),
        board,
        thread,
        ..sample.clone()
    };
    let other = BoardId([2; 32]);
    let mut index = Index::default();
    index.insert(row(10, 5, BOARD, Some(thread)));
    index.insert(row(11, 4, other, Some(thread)));
    index.insert(row(12, 3, BOARD, Some(EventId([5; 32]))));
    index.insert(row(13, 2, no_board(), None));
    index.insert(Row { author: AuthorId([9; 32]), ..row(14, 1, no_board(), None) });
    let held =
        |scope: Scope| -> Vec<u8> { events_in(&index, scope).1.iter().map(|(_, id)| id.0[0]).collect() };
    assert_eq!(held(SCOPE), [12, 10], "a board's events by time");
    assert_eq!(held(Scope::Board(other)), [11]);
    assert_eq!(held(Scope::Board(BoardId([6; 32]))), [0; 0]);
    assert_eq!(held(Scope::Thread(thread)), [11, 10], "a thread's events on any board");
    assert_eq!(held(Scope::Author(author)), [13], "only what belongs to no board");
    assert_eq!(held(Scope::Author(AuthorId([6; 32]))), [0; 0]);
}

/// More scopes than vectors are kept for.
#[test]
fn many_scopes_do_not_disturb_each_other() {
    let board = |n: u8| BoardId([n; 32]);
    let sample = Row::of(&samples::event("post"), Seconds(0), false);
    let fill = |index: &mut Index, extra: u32| {
        for n in 0..40_u8 {
            for m in 0..10 + extra {
                let (time, id) = stamp(u32::from(n) * 1_000 + m, 10);
                index.insert(Row { time, id, board: board(n), ..sample.clone() });
            }
        }
    };
    let (mut ours, mut theirs) = (Index::default(), Index::default());
    fill(&mut ours, 0);
    fill(&mut theirs, 1);
    let (mut here, mut there) = (Reconciler::new(4_096), Reconciler::new(4_096));
    let calls: Vec<_> = (0..40).map(|n| (n, here.begin(&ours, PEER, Scope::Board(board(n))))).collect();
    for (n, (call, message)) in calls.into_iter().rev() {
        let scope = Scope::Board(board(n));
        let answer = there.answer(&theirs, scope, &message).expect("an honest message");
        let expected = stamp(u32::from(n) * 1_000 + 10, 10).1;
        let difference = Difference { next: None, have: vec![], need: vec![expected] };
        assert_eq!(here.resume(&ours, PEER, call, &answer), Ok((scope, difference)));
    }
}
