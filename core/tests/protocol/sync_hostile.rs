//! Reconciliation with peers that lie: every exchange ends, with bounded work and a reason.

use chanterelle_core::base::{Day, EventId};
use chanterelle_core::sync::{Answer, ExchangeError, Found, Step};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::strategies::{damage, damaged, laws};
use super::sync_pair::{FIRST, Peer, event, varint};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const DAYS: u32 = 40;

/// A peer with the events of some numbers.
fn peer(seed: u8, numbers: impl IntoIterator<Item = u32>) -> Peer {
    Peer::new(FIRST, seed).with(numbers.into_iter().map(|n| event(n, DAYS)))
}

/// An exchange with whoever answers as `lie` does, given the question and the honest answer, and its number of
/// steps.
fn exchange(
    ours: &mut Peer,
    theirs: &mut Peer,
    mut lie: impl FnMut(&[u8], Vec<u8>) -> Vec<u8>,
) -> (Result<Found, ExchangeError>, usize) {
    let (mut exchange, mut message) = ours.begin();
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps <= 1_025, "an exchange ends");
        let answer = lie(&message, theirs.say(&message));
        match ours.resume(&mut exchange, &answer) {
            Ok(Step::Ask(next)) => message = next,
            Ok(Step::Done(found)) => return (Ok(found), steps),
            Err(error) => return (Err(error), steps),
        }
    }
}

/// Fields that mean something, in any order behind any tag.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        0..300_u64,
        (0..60_u64).prop_map(|days| u64::from(FIRST) + days),
        select(vec![1 << 16, (1 << 32) - 1, 1 << 32, 1 << 48, (1 << 63) - 1]),
    ];
    let field = prop_oneof![
        4 => number.prop_map(varint),
        1 => vec(any::<u8>(), 0..40),
        1 => Just(vec![0xff; 4]),
        1 => Just(vec![0; 8]),
        1 => vec(any::<u8>(), 350..420),
    ];
    // Sometimes under the right tag of the salt.
    let tag = prop_oneof![(0..12_u8).prop_map(|tag| vec![tag]), (0..12_u8).prop_map(tagged)];
    (tag, vec(field, 0..8)).prop_map(|(tag, fields)| [tag, fields.concat()].concat())
}

/// A message about the salt that the answering peer has here.
fn tagged(tag: u8) -> Vec<u8> {
    let salt = peer(2, []).salts.current();
    vec![tag, salt.0[0], salt.0[1]]
}

proptest! {
    #![proptest_config(laws(512))]

    #[test]
    fn no_question_breaks_the_answer(held in select(vec![0_u32, 1, 100, 1_000]), message in message()) {
        let mut peer = peer(2, 0..held);
        peer.message_bytes = 4_096;
        match peer.answer(&message) {
            Ok(Answer::Say(answer)) => prop_assert!(answer.len() <= 4_096, "{} bytes", answer.len()),
            Ok(Answer::Give { ids, .. }) => prop_assert!(ids.len() <= held as usize),
            Err(error) => prop_assert!(matches!(error, ExchangeError::Unreadable | ExchangeError::Unasked)),
        }
        prop_assert!(peer.cache.take_work() <= 2 * u64::from(held));
    }

    #[test]
    fn no_answer_breaks_the_exchange(
        held in select(vec![0_u32, 1, 100, 1_000]),
        honest in 0..3_usize,
        answers in vec(message(), 1..4),
    ) {
        let (mut ours, mut theirs) = (peer(1, 0..held), peer(2, held / 2..held / 2 + 2_000));
        let mut answers = answers.into_iter();
        let mut step = 0;
        let (result, _) = exchange(&mut ours, &mut theirs, |_, answer| {
            step += 1;
            if step <= honest { answer } else { answers.next().unwrap_or_default() }
        });
        if let Ok(found) = result {
            let own = ours.ids();
            prop_assert!(found.have.iter().all(|id| own.contains(id)));
        }
    }

    /// Honest messages, damaged on the way.
    #[test]
    fn no_damage_breaks_the_exchange(
        numbers in select(vec![(50_u32, 40_u32), (400, 40), (2_000, 1_000)]),
        at in 0..4_usize,
        damage in damage(),
    ) {
        let (common, more) = numbers;
        let mut ours = peer(1, (0..common).chain(10_000..10_000 + more));
        let mut theirs = peer(2, (0..common).chain(20_000..20_000 + more));
        let mut step = 0;
        let (result, _) = exchange(&mut ours, &mut theirs, |_, answer| {
            step += 1;
            if step == at + 1 { damaged(&answer, &damage) } else { answer }
        });
        if let Ok(found) = result {
            let own = ours.ids();
            prop_assert!(found.have.iter().all(|id| own.contains(id)));
        }
    }
}

#[test]
fn messages_that_are_none() {
    let head = |tag: u8, fields: &[&[u8]]| [tagged(tag), fields.concat()].concat();
    let day = varint(FIRST.into());
    let mut peer = peer(2, 0..1_000);
    for (what, message) in [
        ("nothing", vec![]),
        ("an unknown tag", vec![11]),
        ("a root without its hash", [&[1], day.as_slice(), &[0], &[0; 15]].concat()),
        ("more events than there can be", [&[1], day.as_slice(), &varint((1 << 32) + 1), &[0; 16]].concat()),
        ("a number in too many bytes", [&[1], day.as_slice(), &[0x80, 0], &[0; 16]].concat()),
        ("a day beyond the last", [&[1], varint(1 << 32).as_slice(), &[0], &[0; 16]].concat()),
        ("bytes behind the end", [&[1], day.as_slice(), &[0], &[0; 17]].concat()),
        ("no span", head(4, &[&day, &[0], &[0], &[0], &[9]])),
        ("spans that are none", head(4, &[&day, &[0], &[0b11], &[0], &[9]])),
        ("no cells", head(4, &[&day, &[0], &[1], &[0], &[0]])),
        ("more cells than there can be", head(4, &[&day, &[0], &[1], &varint(65_535), &[2]])),
        (
            "a window that ends beyond the last day",
            head(4, &[&day, &varint((1 << 32) - 1), &[1], &[0], &[9]]),
        ),
        ("a message beyond the limit", vec![1; 65_537]),
    ] {
        assert_eq!(peer.answer(&message), Err(ExchangeError::Unreadable), "{what}");
    }
    for answer in [2, 10] {
        let message = [&[answer][..], if answer == 2 { &[] } else { &[0] }].concat();
        assert_eq!(peer.answer(&message), Err(ExchangeError::Unasked), "an answer is no question");
    }
    let good = head(4, &[&day, &[0], &[1], &[0], &[9]]);
    let Ok(Answer::Say(cells)) = peer.answer(&good) else { panic!("a question as it should be") };
    assert_eq!((cells[0], cells.len()), (5, 1 + 8 + 1 + 9 * 8));
}

/// Cells that are made of nothing: more are asked for as long as that is fewer bytes than the names, then those.
#[test]
fn cells_that_never_decode_end_in_a_list() {
    let (mut ours, mut theirs) = (peer(1, 0..3_000), peer(2, 500..3_500));
    let mut noise = 0_u64;
    let mut questions = Vec::new();
    let (result, steps) = exchange(&mut ours, &mut theirs, |question, mut answer| {
        questions.push(question[0]);
        if answer[0] == 5 {
            answer[11..].chunks_mut(8).for_each(|cell| {
                noise = noise.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
                cell.copy_from_slice(&noise.to_le_bytes());
            });
        }
        answer
    });
    let found = result.expect("the list is honest");
    assert_eq!((found.have.len(), found.need.len()), (500, 500));
    assert!(steps <= 5 && questions.ends_with(&[6]), "{questions:?}");
    assert!(ours.cache.take_work() < 10 * 3_000);
}

#[test]
fn what_contradicts_itself_is_noticed() {
    let differ = || (peer(1, 0..3_000), peer(2, 10..3_010));
    let lie = |tag: u8, at: usize, bit: u8| {
        move |_: &[u8], mut answer: Vec<u8>| {
            if answer[0] == tag {
                answer[at] ^= bit;
            }
            answer
        }
    };
    let (mut ours, mut theirs) = differ();
    let (result, _) = exchange(&mut ours, &mut theirs, lie(5, 9, 1));
    assert_eq!(result, Err(ExchangeError::Contradiction), "another number of events");

    let (mut ours, mut theirs) = (peer(1, 0..3_000), peer(2, 0..3_000));
    theirs.set.insert(Day(FIRST), EventId([9; 32]));
    let mut copy = peer(2, 0..3_000);
    let (result, _) = exchange(&mut ours, &mut theirs, |question, mut answer| {
        if question[0] == 4 {
            // The cells of a set that differs in nothing, said to be of another.
            answer = copy.say(question);
            answer[1] ^= 1;
        }
        answer
    });
    assert_eq!(result, Err(ExchangeError::Contradiction), "different and without a difference");

    let (mut ours, mut theirs) = (peer(1, 0..3_000), peer(2, 0..3_000));
    let root = [&[1], varint(FIRST.into()).as_slice(), &varint(3_000), &[0; 16]].concat();
    let summary = theirs.say(&root);
    let (result, _) = exchange(&mut ours, &mut theirs, |_, _| summary.clone());
    assert_eq!(result, Err(ExchangeError::Contradiction), "another root, and all spans the same");
}

#[test]
fn an_answer_to_something_else_is_none() {
    for (tag, answer) in [(1, 5), (1, 7), (1, 10), (4, 2), (4, 7), (4, 8), (4, 10)] {
        let (mut ours, mut theirs) = (peer(1, 0..3_000), peer(2, 10..3_010));
        let body: &[u8] = match answer {
            5 => &[0; 17],
            7 => &[0, 1, 0],
            8 => &[&theirs.salts.current().0[..], &varint(FIRST.into()), &[0, 0, 1, 0]].concat(),
            10 => &[0],
            _ => &[],
        };
        let lie = [&[answer], body].concat();
        let (result, _) =
            exchange(
                &mut ours,
                &mut theirs,
                |question, honest| {
                    if question[0] == tag { lie.clone() } else { honest }
                },
            );
        assert_eq!(result, Err(ExchangeError::Unasked), "{answer} to {tag}");
    }
    let (mut ours, mut theirs) = (peer(1, 0..3_000), Peer::new(0, 2));
    let earlier = [&[8][..], &theirs.salts.current().0, &[0, 0, 0, 1, 0]].concat();
    let (result, _) = exchange(&mut ours, &mut theirs, |_, _| earlier.clone());
    assert_eq!(result, Err(ExchangeError::Unasked), "a window longer than was asked about");
}

#[test]
fn who_never_comes_to_an_end_is_left() {
    // A new salt each time.
    let (mut ours, mut theirs) = (peer(1, 0..3_000), peer(2, 10..3_010));
    let mut summary = Vec::new();
    let (result, steps) = exchange(&mut ours, &mut theirs, |_, answer| {
        if answer[0] == 3 {
            summary = answer;
        }
        summary.clone()
    });
    assert_eq!((result, steps), (Err(ExchangeError::Endless), 5));

    // One cell at a time.
    let (mut ours, mut theirs) = (peer(1, 0..30_000), peer(2, 1_000..31_000));
    let (result, steps) = exchange(&mut ours, &mut theirs, |_, mut answer| {
        if answer[0] == 5 {
            answer.truncate(1 + 8 + 3 + 8);
        }
        answer
    });
    assert_eq!((result, steps), (Err(ExchangeError::Endless), 1_025));
    assert!(ours.cache.take_work() < 4 * 30_000, "asking on costs no look at the own set");
}

/// Another set each time: after a few, the names are asked for, of which each page stands alone.
#[test]
fn who_changes_all_the_time_is_asked_for_names() {
    let (mut ours, mut theirs) = (peer(1, 0..6_000), peer(2, 1_000..7_000));
    (ours.message_bytes, theirs.message_bytes) = (4_096, 4_096);
    let mut n = 0;
    let (result, steps) = exchange(&mut ours, &mut theirs, |question, mut answer| {
        if question[0] == 4 {
            n += 1;
            answer[1] = n;
        }
        answer
    });
    let found = result.expect("the list is honest");
    assert_eq!((found.have.len(), found.need.len()), (1_000, 1_000));
    assert!(steps < 30, "{steps}");
}

#[test]
fn names_without_end_are_read_for_a_while() {
    // Pages of one name, and others behind.
    let (mut ours, mut theirs) = (peer(1, []), peer(2, 0..3_000));
    let page = [&[8][..], &theirs.salts.current().0, &varint(FIRST.into()), &[0, 2, 1, 1], &[0; 6]].concat();
    let (result, steps) = exchange(&mut ours, &mut theirs, |_, _| page.clone());
    assert_eq!((result, steps), (Err(ExchangeError::Unasked), 1));

    // Names of nothing, page after page: as many are remembered as are fetched at a time.
    let opening = [&[8][..], &theirs.salts.current().0, &varint(FIRST.into()), &[0]].concat();
    let mut next = 0_u64;
    let (result, steps) = exchange(&mut ours, &mut theirs, |_, _| {
        // 10,000 names with nothing between them: a width of 0 and as many zeros.
        let names = [&[2, 1][..], &varint(10_000), &next.to_le_bytes()[..6], &[0], &[0; 1_250]].concat();
        let head = if next == 0 { opening.clone() } else { vec![7] };
        next += 10_000;
        [head, names].concat()
    });
    let mut found = result.expect("nothing is wrong with it yet");
    assert_eq!((found.need.len(), found.is_partial, steps), (70_000, true, 7));
    let Ok(Answer::Give { ids, unknown: Some(_) }) =
        theirs.answer(&found.need.next_message(1_024).expect("many"))
    else {
        panic!("they are nobody's")
    };
    assert_eq!(ids, []);

    // The same page again.
    let mut first = None;
    let (mut ours, mut theirs) = (peer(1, []), peer(2, 0..30_000));
    theirs.message_bytes = 16_384;
    let (result, steps) = exchange(&mut ours, &mut theirs, |_, answer| match &first {
        None => first.insert(answer).clone(),
        Some(first) => [&[7], &first[1 + 16 + varint(FIRST.into()).len() + 1..]].concat(),
    });
    assert_eq!((result, steps), (Err(ExchangeError::Unasked), 2));
}

/// A window to the end of time costs no more than any other.
#[test]
fn days_without_end_are_few_spans() {
    let (mut ours, mut theirs) = (peer(1, 0..1_000), peer(2, 500..1_500));
    let end = varint(u64::from(u32::MAX - FIRST));
    let opening = [&theirs.salts.current().0[..], &varint(FIRST.into()), &end].concat();
    // 226 spans, none of which has an event.
    let summary = [&[3][..], &opening, &varint(1_000), &[0; 29], &[0; 384]].concat();
    let (result, _) = exchange(&mut ours, &mut theirs, |_, _| summary.clone());
    let found = result.expect("it may hold nothing of what we hold");
    assert_eq!((found.have.len(), found.need.len()), (1_000, 0));
    assert_eq!(ours.cache.take_work(), 0);
}
