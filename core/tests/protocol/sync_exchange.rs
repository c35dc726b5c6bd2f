//! Reconciliation by rateless tables: any two sets come to agree, in few steps and few bytes.

use std::collections::BTreeSet;

use chanterelle_core::base::{Day, EventId};
use chanterelle_core::sync::{
    Answer, Cache, DaySet, Exchange, ExchangeError, Found, Needs, Span, Step, unknown_names,
};
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::laws;
use super::sync_pair::{FIRST, Peer, event, reconcile};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// So many events from one number on.
fn events(from: u32, count: u32, days: u32) -> impl Iterator<Item = (Day, EventId)> {
    (from..from + count).map(move |n| event(n, days))
}

fn pair(common: u32, ours: u32, theirs: u32, days: u32) -> (Peer, Peer) {
    let with = |seed, from, count| {
        Peer::new(FIRST, seed).with(events(0, common, days)).with(events(from, count, days))
    };
    (with(1, 100_000, ours), with(2, 200_000, theirs))
}

fn lacking(a: &Peer, b: &Peer) -> BTreeSet<EventId> {
    a.ids().difference(&b.ids()).copied().collect()
}

proptest! {
    #![proptest_config(laws(128))]

    #[test]
    fn any_two_sets_come_to_agree(
        common in select(vec![0_u32, 1, 70, 300, 3_000]),
        only_ours in select(vec![0_u32, 1, 2, 20, 300, 2_500]),
        only_theirs in select(vec![0_u32, 1, 2, 20, 300, 2_500]),
        days in select(vec![1_u32, 3, 40, 700]),
        windows in (select(vec![0_u32, 1, 30]), select(vec![0_u32, 2, 30])),
        limits in (select(vec![2_048_usize, 65_536]), select(vec![2_048_usize, 65_536])),
    ) {
        let with = |seed, since, from, count| {
            Peer::new(FIRST + since, seed).with(events(0, common, days)).with(events(from, count, days))
        };
        let mut ours = with(1, windows.0, 100_000, only_ours);
        let mut theirs = with(2, windows.1, 200_000, only_theirs);
        ours.message_bytes = limits.0.min(limits.1);
        theirs.message_bytes = ours.message_bytes;
        let common_window = FIRST + windows.0.max(windows.1);
        let within = |ids: BTreeSet<EventId>, of: &Peer| {
            let mut kept = BTreeSet::new();
            let span = Span { from: Day(common_window), to: Day(u32::MAX) };
            of.set.ids(span, &mut |id| kept.extend(ids.get(id)));
            kept
        };
        let outcome = reconcile(&mut ours, &mut theirs);
        prop_assert!(!outcome.found.is_partial);
        let have: BTreeSet<EventId> = outcome.found.have.iter().copied().collect();
        prop_assert_eq!(have.len(), outcome.found.have.len(), "nothing is told twice");
        prop_assert_eq!(&have, &within(lacking(&ours, &theirs), &ours));
        prop_assert_eq!(&outcome.given, &within(lacking(&theirs, &ours), &theirs));
        prop_assert!(outcome.found.since <= Day(common_window));

        for n in (100_000..100_000 + only_ours).chain(200_000..200_000 + only_theirs) {
            let (day, id) = event(n, days);
            if have.contains(&id) {
                theirs.set.insert(day, id);
            }
            if outcome.given.contains(&id) {
                ours.set.insert(day, id);
            }
        }
        let (mut exchange, root) = Exchange::begin(&ours.held(), Day(common_window));
        let step = ours.resume(&mut exchange, &theirs.say(&root));
        let nothing = Found { since: Day(common_window), ..Found::default() };
        prop_assert_eq!(step, Ok(Step::Done(nothing)), "equal peers see it at once");
    }
}

#[test]
fn equal_peers_exchange_two_small_messages() {
    let (mut ours, mut theirs) = pair(5_000, 0, 0, 100);
    let outcome = reconcile(&mut ours, &mut theirs);
    let bytes: usize = outcome.said.iter().map(Vec::len).sum();
    assert_eq!((outcome.steps, bytes), (1, 23));
}

#[test]
fn a_thousand_differences_take_two_round_trips_and_16_bytes_each() {
    let (mut ours, mut theirs) = pair(20_000, 500, 500, 100);
    let outcome = reconcile(&mut ours, &mut theirs);
    let bytes: usize = outcome.said.iter().map(Vec::len).sum();
    assert_eq!((outcome.steps, outcome.found.have.len(), outcome.given.len()), (2, 500, 500));
    assert!((12_000..17_500).contains(&bytes), "{bytes} bytes");
}

/// Whoever has nothing, or little, is told all names at once, a third of the bytes that cells would be.
#[test]
fn a_newcomer_is_told_everything_without_being_asked_twice() {
    for held in [0, 100] {
        let (mut ours, mut theirs) = pair(held, 0, 4_000, 100);
        let outcome = reconcile(&mut ours, &mut theirs);
        let bytes: usize = outcome.said.iter().map(Vec::len).sum();
        assert_eq!((outcome.steps, outcome.given.len()), (1, 4_000));
        assert!(bytes < 4_000 * 11, "{bytes} bytes");
    }
    let (mut ours, mut theirs) = pair(0, 4_000, 0, 100);
    let outcome = reconcile(&mut ours, &mut theirs);
    assert_eq!((outcome.steps, outcome.found.have.len()), (1, 4_000), "nor is who has everything");
}

#[test]
fn a_newcomer_asks_for_what_is_new_first() {
    let (mut ours, mut theirs) = pair(0, 0, 4_000, 100);
    let mut needs = reconcile(&mut ours, &mut theirs).found.need;
    let mut before = Day(u32::MAX);
    let mut days = Vec::new();
    while let Some(message) = needs.next_message(300) {
        theirs.cache.take_work();
        let Ok(Answer::Give { ids, .. }) = theirs.answer(&message) else { panic!("they have it") };
        assert!(theirs.cache.take_work() <= 300 + 2 * 700, "only those days are looked at");
        let given: BTreeSet<EventId> = ids.into_iter().collect();
        days.clear();
        days.extend(events(200_000, 4_000, 100).filter(|(_, id)| given.contains(id)).map(|(day, _)| day));
        let latest = days.iter().max().expect("three hundred at a time");
        assert!(*latest <= before, "{latest:?} after {before:?}");
        // The oldest lie in spans of 16 days.
        before = Day(days.iter().min().expect("as many").0 + 15);
    }
}

/// Only the spans that differ are looked at again.
#[test]
fn a_late_day_costs_no_look_at_the_others() {
    let (mut ours, mut theirs) = pair(20_000, 0, 0, 100);
    theirs.set.insert(Day(FIRST + 99), EventId([9; 32]));
    reconcile(&mut ours, &mut theirs);
    theirs.set.insert(Day(FIRST + 99), EventId([8; 32]));
    ours.cache.take_work();
    theirs.cache.take_work();
    let outcome = reconcile(&mut ours, &mut theirs);
    assert_eq!((outcome.given.len(), outcome.steps), (2, 2));
    let work = ours.cache.take_work() + theirs.cache.take_work();
    assert!(work < 3_000, "{work} of 20,000 events were touched, a day has 200");
}

#[test]
fn what_others_are_asked_for_is_left_out() {
    let (mut ours, mut theirs) = pair(5_000, 50, 50, 20);
    let busy = Day(FIRST + 19);
    let (mut exchange, root) = ours.begin();
    let mut answer = theirs.say(&root);
    let found = loop {
        let step = exchange.on_answer(&mut ours.held(), &|span| !span.contains(busy), &answer);
        assert!(exchange.spans().iter().all(|span| !span.contains(busy)));
        match step.expect("an honest answer") {
            Step::Ask(next) => answer = theirs.say(&next),
            Step::Done(found) => break found,
        }
    };
    assert!(found.is_partial && !found.need.is_empty() && found.need.len() < 50);
    assert!(found.need.spans().all(|span| !span.contains(busy)));

    let (mut exchange, root) = ours.begin();
    let step = exchange.on_answer(&mut ours.held(), &|_| false, &theirs.say(&root));
    let nothing = Found { since: Day(FIRST), is_partial: true, differed: true, ..Found::default() };
    assert_eq!(step, Ok(Step::Done(nothing)), "all is left out");
}

/// What the other side holds changes between two questions: cells of two sets do not go together, and it is
/// noticed.
#[test]
fn the_other_set_may_change_between_the_steps() {
    for changes in [1, 100] {
        let (mut ours, mut theirs) = pair(20_000, 2_000, 2_000, 100);
        (ours.message_bytes, theirs.message_bytes) = (8_192, 8_192);
        let (mut exchange, mut message) = ours.begin();
        let mut step = 0;
        let mut found = loop {
            step += 1;
            assert!(step < 200, "it ends");
            if (3..3 + changes).contains(&step) {
                let (day, id) = event(300_000 + step, 100);
                theirs.set.insert(day, id);
            }
            assert!(changes > 1 || message[0] != 6, "for one change the names are not asked for");
            let answer = theirs.say(&message);
            match ours.resume(&mut exchange, &answer).expect("an honest answer") {
                Step::Ask(next) => message = next,
                Step::Done(found) => break found,
            }
        };
        let mut given = BTreeSet::new();
        while let Some(message) = found.need.next_message(1_024) {
            let Ok(Answer::Give { ids, .. }) = theirs.answer(&message) else { panic!("an honest answer") };
            given.extend(ids);
        }
        let missed = lacking(&theirs, &ours).difference(&given).count();
        assert!(missed <= if changes == 1 { 0 } else { step as usize }, "{missed} were overlooked");
        let old: BTreeSet<EventId> = events(200_000, 2_000, 100).map(|(_, id)| id).collect();
        assert!(old.is_subset(&given), "what was there all the time is found");
    }
}

/// What this side holds changes: its own cells are made when they are needed.
#[test]
fn the_own_set_may_change_between_the_steps() {
    let (mut ours, mut theirs) = pair(20_000, 2_000, 2_000, 100);
    (ours.message_bytes, theirs.message_bytes) = (8_192, 8_192);
    let (mut exchange, mut message) = ours.begin();
    let mut late = events(200_000, 2_000, 100);
    let found = loop {
        let answer = theirs.say(&message);
        late.by_ref().take(100).for_each(|(day, id)| assert!(ours.set.insert(day, id)));
        match ours.resume(&mut exchange, &answer).expect("an honest answer") {
            Step::Ask(next) => message = next,
            Step::Done(found) => break found,
        }
    };
    assert_eq!(found.need.len(), lacking(&theirs, &ours).len());
}

#[test]
fn a_salt_may_change_between_the_steps() {
    for (hours, steps) in [(1, 2), (2, 3)] {
        let (mut ours, mut theirs) = pair(5_000, 100, 100, 100);
        let (mut exchange, mut message) = ours.begin();
        let mut step = 0;
        let found = loop {
            step += 1;
            let answer = theirs.say(&message);
            if step == 1 {
                (1..=hours).for_each(|hour| theirs.hours(hour));
            }
            match ours.resume(&mut exchange, &answer).expect("an honest answer") {
                Step::Ask(next) => message = next,
                Step::Done(found) => break found,
            }
        };
        assert_eq!((found.have.len(), found.need.len(), step), (100, 100, steps), "after {hours} hours");
        let mut need: Needs = found.need;
        let message = need.next_message(100).expect("a hundred");
        theirs.hours(9);
        theirs.hours(10);
        let Ok(Answer::Say(summary)) = theirs.answer(&message) else { panic!("too late to fetch") };
        assert_eq!(summary[0], 3, "it says under which salt to begin anew");
    }
}

#[test]
fn what_is_gone_when_it_is_fetched_is_told() {
    let (mut ours, mut theirs) = pair(1_000, 0, 40, 10);
    let mut found = reconcile(&mut ours, &mut theirs).found;
    for (day, id) in events(200_000, 3, 10) {
        theirs.set.remove(day, &id);
    }
    let message = found.need.next_message(1_024).expect("forty");
    let Ok(Answer::Give { ids, unknown: Some(unknown) }) = theirs.answer(&message) else { panic!("some") };
    assert_eq!((ids.len(), unknown_names(&unknown)), (37, Ok(3)));
    assert_eq!(found.need.next_message(1_024), None);
}

#[test]
fn a_window_told_once_makes_later_exchanges_short() {
    let mut ours = Peer::new(FIRST, 1).with(events(0, 3_000, 100));
    let mut theirs = Peer::new(FIRST + 50, 2).with(events(0, 3_000, 100));
    let outcome = reconcile(&mut ours, &mut theirs);
    assert_eq!((outcome.found.have.len(), outcome.found.need.len()), (0, 0));
    let (mut exchange, root) = Exchange::begin(&ours.held(), outcome.found.since);
    let answer = theirs.say(&root);
    assert_eq!(answer, [2], "the same since then");
    assert!(matches!(ours.resume(&mut exchange, &answer), Ok(Step::Done(_))));
}

/// More than is fetched at a time is left to the next exchange.
#[test]
fn very_many_are_found_in_several_exchanges() {
    let (mut ours, mut theirs) = pair(0, 0, 90_000, 100);
    for missing in [90_000_usize, 0] {
        let mut outcome = reconcile(&mut ours, &mut theirs);
        let is_first = missing > 0;
        assert_eq!(outcome.found.is_partial, is_first);
        for (day, id) in events(200_000, 90_000, 100) {
            if outcome.given.remove(&id) {
                ours.set.insert(day, id);
            }
        }
        assert_eq!(lacking(&theirs, &ours).is_empty(), !is_first);
    }
}

/// Two events with one short name under the salt of the peer that answers here, found by trying 50 million. They are not
/// told apart, nobody is misled, and an hour later they are.
#[test]
fn events_with_one_name_are_told_apart_by_the_next_salt() {
    let twins = [3_009_478, 15_732_393].map(|n| event(n, 1));
    for (ours_have, theirs_have) in [
        ([true, true], [true, false]),
        ([true, false], [true, true]),
        ([true, false], [false, true]),
        ([true, true], [false, false]),
        ([false, false], [true, true]),
    ] {
        let (mut ours, mut theirs) = pair(3_000, 20, 20, 1);
        for (at, (day, id)) in twins.into_iter().enumerate() {
            assert!(!ours_have[at] || ours.set.insert(day, id));
            assert!(!theirs_have[at] || theirs.set.insert(day, id));
        }
        let (mut exchange, mut message) = ours.begin();
        let found = loop {
            match ours.resume(&mut exchange, &theirs.say(&message)) {
                Ok(Step::Ask(next)) => message = next,
                Ok(Step::Done(found)) => break Ok(found),
                Err(error) => break Err(error),
            }
        };
        let missed = match found {
            Err(error) => {
                assert_eq!(error, ExchangeError::Contradiction);
                true
            }
            Ok(found) => {
                let have: BTreeSet<EventId> = found.have.into_iter().collect();
                let misses = lacking(&theirs, &ours).len() - found.need.len();
                misses > 0 || !lacking(&ours, &theirs).is_subset(&have)
            }
        };
        // One too many is given where nobody can tell which is missing.
        assert_eq!(missed, ours_have != [true, true] || theirs_have != [true, false], "{ours_have:?}");
        theirs.hours(1);
        let outcome = reconcile(&mut ours, &mut theirs);
        let have: BTreeSet<EventId> = outcome.found.have.into_iter().collect();
        assert_eq!(have, lacking(&ours, &theirs));
        assert_eq!(outcome.given, lacking(&theirs, &ours));
    }
}

#[test]
fn a_cache_changes_no_message() {
    let said = |cache_bytes, times| {
        let (mut ours, mut theirs) = pair(5_000, 200, 200, 100);
        (ours.cache, theirs.cache) = (Cache::new(cache_bytes), Cache::new(cache_bytes));
        (0..times).map(|_| reconcile(&mut ours, &mut theirs).said).last().expect("one at least")
    };
    assert_eq!(said(1 << 24, 2), said(0, 1));
}

/// The bytes of a whole exchange: what peers of this version say to each other, on every target.
#[test]
fn the_bytes_are_fixed() {
    let (mut ours, mut theirs) = pair(500, 3, 4, 40);
    let outcome = reconcile(&mut ours, &mut theirs);
    let said: Vec<String> = outcome.said.iter().map(|bytes| HEXLOWER.encode(bytes)).collect();
    assert_eq!(said[0], "01f8a001f703073787ff54b3a97d8fcb0e402f633ccd", "a root");
    assert_eq!(said[2], "04ff20f8a0012702820c84000018", "24 cells of five days");
    assert_eq!(
        said[4], "09ff20f8a0012702820c840004c439c6186b922ced9402f44addda1c8f1e497169d4994ce206",
        "a request for four events"
    );
    assert_eq!(outcome.said.iter().map(Vec::len).collect::<Vec<_>>(), [22, 544, 14, 202, 38]);
    let all = blake3::hash(&outcome.said.concat());
    assert_eq!(all.to_hex().as_str(), "b2545bb871b8b086b17e706471fed9ff721e137284ebf636ec119ac3220c5405");
}
