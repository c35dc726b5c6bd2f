//! An exchange by itself, and peers that keep to nothing: frames of the wrong side, floods, peers that do not read.

use std::collections::{BTreeSet, VecDeque};

use chanterelle_core::base::{BlobId, Instant, Limits, PeerId};
use chanterelle_core::media::exchange::{CloseReason, Exchange, Input, MediaStream, Output, Priority, Want};
use chanterelle_core::media::tree::{groups_in, slice_bytes};
use chanterelle_core::media::{Groups, HeldItem, MediaFrame, MediaFrameError};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SIZE: u64 = 100 * 16_384;

fn peer(name: u8) -> PeerId {
    PeerId([name; 32])
}

pub(super) fn id(name: u8) -> BlobId {
    BlobId([name; 32])
}

/// An exchange that is fed by hand.
pub(super) struct Hand {
    pub(super) exchange: Exchange,
    pub(super) now: u64,
}

impl Hand {
    pub(super) fn new() -> Self {
        Self { exchange: Exchange::new([1; 32], Limits::default()), now: 1_000 }
    }

    /// With a peer that has opened a stream to us.
    fn asked_by(peers: &[u8]) -> Self {
        let mut hand = Self::new();
        for name in peers {
            hand.tell(Input::Came(peer(*name)));
            hand.tell(Input::Accepted(peer(*name)));
        }
        hand
    }

    pub(super) fn tell(&mut self, input: Input) -> Vec<Output> {
        self.exchange.handle(Instant(self.now), input);
        core::iter::from_fn(|| self.exchange.poll_output()).collect()
    }

    fn hear(&mut self, from: u8, stream: MediaStream, frame: &MediaFrame) -> Vec<Output> {
        self.tell(Input::Received { peer: peer(from), stream, frame: frame.encode() })
    }

    fn hold(&mut self, name: u8) {
        self.tell(Input::Hold { id: id(name), size: SIZE, groups: Groups::all(100) });
    }
}

fn get(call: u64, name: u8) -> MediaFrame {
    MediaFrame::Get { call, id: id(name), first: 0, count: 16 }
}

fn closed(name: u8, stream: MediaStream, reason: CloseReason) -> Output {
    Output::CloseStream { peer: peer(name), stream, reason }
}

fn reads(outputs: &[Output]) -> Vec<u64> {
    let ticket = |output: &Output| match output {
        Output::Read { ticket, .. } => Some(*ticket),
        _ => None,
    };
    outputs.iter().filter_map(ticket).collect()
}

/// The blobs that are told of.
fn told(outputs: &[Output]) -> Vec<BlobId> {
    let items = |output: &Output| match output {
        Output::Send { frame, .. } => match MediaFrame::decode(frame, &Limits::default()) {
            Ok(MediaFrame::Held { items }) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    outputs.iter().flat_map(items).map(|item| item.id).collect()
}

#[test]
fn what_is_not_its_to_send_ends_it() {
    let theirs = MediaStream::Theirs;
    for (frame, reason) in [
        (MediaFrame::Held { items: vec![] }.encode(), CloseReason::WrongSide),
        (MediaFrame::Slice { call: 1, bytes: vec![] }.encode(), CloseReason::WrongSide),
        (MediaFrame::None { call: 1 }.encode(), CloseReason::WrongSide),
        (vec![0xa0], CloseReason::Frame(MediaFrameError::Form)),
        (vec![0; 400_000], CloseReason::Frame(MediaFrameError::Size)),
    ] {
        let mut hand = Hand::asked_by(&[1]);
        let outputs = hand.tell(Input::Received { peer: peer(1), stream: theirs, frame });
        assert_eq!(outputs, [closed(1, theirs, reason)]);
        // It may come again, and is not heard.
        hand.tell(Input::Left(peer(1)));
        hand.tell(Input::Came(peer(1)));
        assert_eq!(hand.tell(Input::Accepted(peer(1))), [closed(1, theirs, CloseReason::Banned)]);
        assert_eq!(hand.hear(1, theirs, &get(1, 1)), []);
    }
}

#[test]
fn an_answer_to_no_question_ends_it() {
    let mut hand = Hand::new();
    hand.tell(Input::Came(peer(1)));
    let want = Want { id: id(1), size: SIZE, priority: Priority::Original, hints: vec![] };
    hand.now += 1_000;
    assert_eq!(hand.tell(Input::Want(want))[0], Output::OpenStream(peer(1)));
    let look = hand.tell(Input::Opened(peer(1)));
    assert!(
        matches!(&look[0], Output::Send { frame, .. } if *frame == MediaFrame::Look { ids: vec![id(1)] }.encode())
    );
    let ours = MediaStream::Ours;
    let outputs = hand.hear(1, ours, &MediaFrame::None { call: 77 });
    assert_eq!(outputs[0], closed(1, ours, CloseReason::UnknownCall));
    hand.now += 1_000_000;
    assert_eq!(hand.tell(Input::Wake), [], "it is not asked again");
}

#[test]
fn who_says_no_is_asked_again_when_it_says_yes() {
    let ours = MediaStream::Ours;
    let mut hand = Hand::new();
    hand.tell(Input::Came(peer(1)));
    hand.tell(Input::Want(Want { id: id(1), size: SIZE, priority: Priority::Original, hints: vec![] }));
    hand.tell(Input::Opened(peer(1)));
    let calls = |outputs: Vec<Output>| {
        let call = |output: &Output| match output {
            Output::Send { frame, .. } => match MediaFrame::decode(frame, &Limits::default()) {
                Ok(MediaFrame::Get { call, .. }) => Some(call),
                _ => None,
            },
            _ => None,
        };
        outputs.iter().filter_map(call).collect::<Vec<u64>>()
    };
    let held = MediaFrame::Held { items: vec![HeldItem { id: id(1), size: SIZE, groups: None }] };
    let asked = calls(hand.hear(1, ours, &held));
    assert!(asked.len() >= 2, "{asked:?}");
    for call in asked {
        assert!(calls(hand.hear(1, ours, &MediaFrame::None { call })).is_empty(), "it says no to all of it");
    }
    hand.now += 60_000;
    assert!(calls(hand.tell(Input::Wake)).is_empty());
    assert!(!calls(hand.hear(1, ours, &held)).is_empty());
}

#[test]
fn requests_are_bounded_and_have_names() {
    let mut hand = Hand::asked_by(&[1, 2]);
    hand.hold(1);
    let theirs = MediaStream::Theirs;
    for call in 0..32 {
        assert!(
            !hand
                .hear(1, theirs, &get(call, 1))
                .iter()
                .any(|output| matches!(output, Output::CloseStream { .. }))
        );
    }
    let outputs = hand.hear(1, theirs, &get(32, 1));
    assert!(outputs.contains(&closed(1, theirs, CloseReason::TooManyGets)));
    hand.hear(2, theirs, &get(5, 1));
    let outputs = hand.hear(2, theirs, &get(5, 1));
    assert!(outputs.contains(&closed(2, theirs, CloseReason::RepeatedCall)));
}

#[test]
fn what_is_not_held_is_not_given() {
    let mut hand = Hand::asked_by(&[1]);
    hand.hold(1);
    let theirs = MediaStream::Theirs;
    for (call, name, first) in [(1, 2, 0), (2, 1, 85), (3, 1, u32::MAX)] {
        let frame = MediaFrame::Get { call, id: id(name), first, count: 16 };
        let none = MediaFrame::None { call }.encode();
        let sent = Output::Send { peer: peer(1), stream: theirs, frame: none };
        assert_eq!(hand.hear(1, theirs, &frame), [sent]);
    }
    // Nor what cannot be read, was read wrongly, or was forgotten meanwhile.
    for (call, slice, is_forgotten) in
        [(4, None, false), (5, Some(vec![0; 5]), false), (6, Some(vec![]), true)]
    {
        let ticket = reads(&hand.hear(1, theirs, &get(call, 1)))[0];
        if is_forgotten {
            hand.tell(Input::Forget(id(1)));
        }
        let frame = MediaFrame::None { call }.encode();
        assert_eq!(
            hand.tell(Input::ReadDone { ticket, slice }),
            [Output::Send { peer: peer(1), stream: theirs, frame }]
        );
    }
}

#[test]
fn a_stream_without_a_session_is_not_taken() {
    let theirs = MediaStream::Theirs;
    let mut hand = Hand::new();
    hand.hold(1);
    assert_eq!(hand.tell(Input::Accepted(peer(1))), [closed(1, theirs, CloseReason::NoSession)]);
    assert_eq!(hand.hear(1, theirs, &get(1, 1)), []);
    hand.tell(Input::Came(peer(1)));
    assert_eq!(hand.hear(1, theirs, &get(1, 1)), [], "it is closed");
    assert_eq!(hand.tell(Input::Accepted(peer(1))), []);
    assert_eq!(reads(&hand.hear(1, theirs, &get(1, 1))).len(), 1);
}

#[test]
fn another_session_ends_the_one_before() {
    let (ours, theirs) = (MediaStream::Ours, MediaStream::Theirs);
    let mut hand = Hand::asked_by(&[1]);
    hand.hold(1);
    hand.tell(Input::Want(Want { id: id(2), size: SIZE, priority: Priority::Original, hints: vec![] }));
    hand.tell(Input::Opened(peer(1)));
    let outputs = hand.tell(Input::Came(peer(1)));
    assert_eq!(outputs[..2], [ours, theirs].map(|stream| closed(1, stream, CloseReason::NoSession)));
    assert_eq!(hand.hear(1, theirs, &get(1, 1)), []);
    hand.now += 1_000;
    let opened = [outputs, hand.tell(Input::Wake)].concat();
    assert!(opened.contains(&Output::OpenStream(peer(1))));
}

/// An answer to what was asked on another stream would be one to no question.
#[test]
fn what_was_read_for_another_stream_is_dropped() {
    let theirs = MediaStream::Theirs;
    let bytes = slice_bytes(SIZE, 0, 16).expect("in range") as usize;
    let again = [
        vec![Input::Accepted(peer(1))],
        vec![Input::Left(peer(1)), Input::Came(peer(1)), Input::Accepted(peer(1))],
    ];
    for inputs in again {
        let mut hand = Hand::asked_by(&[1]);
        hand.hold(1);
        let ticket = reads(&hand.hear(1, theirs, &get(4, 1)))[0];
        inputs.into_iter().for_each(|input| assert_eq!(hand.tell(input), []));
        assert_eq!(hand.tell(Input::ReadDone { ticket, slice: Some(vec![0; bytes]) }), []);
        assert_eq!(reads(&hand.hear(1, theirs, &get(4, 1))).len(), 1, "its names are its own");
    }
}

#[test]
fn who_does_not_read_is_read_no_more_for() {
    let mut hand = Hand::asked_by(&[1]);
    hand.hold(1);
    let bytes = slice_bytes(SIZE, 0, 16).expect("in range");
    let mut tickets = Vec::new();
    (0..32).for_each(|call| tickets.extend(reads(&hand.hear(1, MediaStream::Theirs, &get(call, 1)))));
    let (mut handed_out, mut at) = (0, 0);
    while let Some(ticket) = tickets.get(at).copied() {
        let outputs = hand.tell(Input::ReadDone { ticket, slice: Some(vec![0; bytes as usize]) });
        tickets.extend(reads(&outputs));
        handed_out += bytes;
        at += 1;
    }
    let most = Limits::default().media_unflushed_bytes + bytes;
    assert!(handed_out > most / 2 && handed_out <= most, "{handed_out} bytes");
    // As it reads, it goes on.
    let outputs = hand.tell(Input::Flushed { peer: peer(1), stream: MediaStream::Theirs, bytes: 600_000 });
    assert!(!reads(&outputs).is_empty());
}

#[test]
fn many_who_do_not_read_are_handed_out_little() {
    let names: Vec<u8> = (1..=200).collect();
    let mut hand = Hand::asked_by(&names);
    hand.hold(1);
    let theirs = MediaStream::Theirs;
    let bytes = slice_bytes(SIZE, 0, 16).expect("in range");
    let mut open = VecDeque::new();
    let mut given = |hand: &mut Hand, outputs: Vec<Output>| {
        open.extend(reads(&outputs));
        let mut given = 0;
        while let Some(ticket) = open.pop_front() {
            let outputs = hand.tell(Input::ReadDone { ticket, slice: Some(vec![0; bytes as usize]) });
            open.extend(reads(&outputs));
            given += bytes;
        }
        given
    };
    let mut handed_out = 0;
    for (name, call) in names.iter().flat_map(|name| (0..8).map(move |call| (*name, call))) {
        let outputs = hand.hear(name, theirs, &get(call, 1));
        handed_out += given(&mut hand, outputs);
    }
    let total = Limits::default().media_unflushed_total;
    // Each of 200 has one at least, however many there are.
    assert!(handed_out >= total && handed_out <= total + 200 * bytes, "{handed_out} bytes");
    // Who reads all it has is served, and one that it has not read is enough to wait.
    let last = hand.tell(Input::Flushed { peer: peer(200), stream: theirs, bytes: 1_000 });
    assert_eq!(given(&mut hand, last), 0);
    let last = hand.tell(Input::Flushed { peer: peer(200), stream: theirs, bytes: 1_000_000 });
    assert_eq!(given(&mut hand, last), bytes);
    // When enough of it is read, all go on.
    let mut again = 0;
    for name in 1..=150 {
        let outputs = hand.tell(Input::Flushed { peer: peer(name), stream: theirs, bytes: 1 << 20 });
        again += given(&mut hand, outputs);
    }
    assert!(again > 20 << 20, "{again} bytes");
}

#[test]
fn peers_are_served_in_turn() {
    let mut hand = Hand::asked_by(&[1, 2, 3]);
    hand.hold(1);
    let mut waiting: BTreeSet<u64> = BTreeSet::new();
    let mut served: Vec<u8> = Vec::new();
    // The first asks for all it may before the others come.
    for (name, calls) in [(1, 32), (2, 8), (3, 8)] {
        for call in 0..calls {
            let frame = MediaFrame::Get { call, id: id(1), first: call as u32, count: 1 };
            waiting.extend(reads(&hand.hear(name, MediaStream::Theirs, &frame)));
        }
    }
    let bytes = slice_bytes(SIZE, 0, 1).expect("in range") as usize;
    let mut done = 0;
    while done < 48 {
        let ticket = waiting.pop_first().expect("there is more to read");
        let outputs = hand.tell(Input::ReadDone { ticket, slice: Some(vec![0; bytes]) });
        for output in &outputs {
            match output {
                Output::Send { peer, frame, .. } => {
                    served.push(peer.0[0]);
                    let (peer, bytes) = (*peer, frame.len() as u64);
                    let more = hand.tell(Input::Flushed { peer, stream: MediaStream::Theirs, bytes });
                    waiting.extend(reads(&more));
                }
                Output::Read { ticket, .. } => waiting.extend([*ticket]),
                _ => {}
            }
        }
        done += 1;
    }
    let late = served.iter().rposition(|name| *name != 1).expect("the others were served");
    assert!(late < 16 + 3 * 8 + 2, "{served:?}");
}

/// Each word about what is looked for may be answered with many bitmaps.
#[test]
fn a_flood_of_looks_is_followed_slowly() {
    let mut hand = Hand::asked_by(&[1]);
    let total = groups_in(Limits::default().blob_bytes);
    for name in 0..200 {
        let mut groups = Groups::none(total);
        groups.insert(u32::from(name) * 3);
        hand.tell(Input::Hold { id: id(name), size: Limits::default().blob_bytes, groups });
    }
    let mut bytes = 0;
    for turn in 0..1_000_u64 {
        let names = if turn % 2 == 0 { 0..100 } else { 100..200 };
        let look = MediaFrame::Look { ids: names.map(id).collect() };
        let mut outputs = VecDeque::from(hand.hear(1, MediaStream::Theirs, &look));
        // It reads whatever it is told.
        while let Some(Output::Send { peer, stream, frame }) = outputs.pop_front() {
            bytes += frame.len();
            outputs.extend(hand.tell(Input::Flushed { peer, stream, bytes: frame.len() as u64 }));
        }
        hand.now += u64::from(turn % 100 == 0) * 10;
    }
    let one = 100 * (total as usize / 8 + 100);
    assert!(bytes > one && bytes <= 2 * one, "{bytes} bytes, {one} for a look");
}

#[test]
fn what_could_not_be_read_is_told_of_again_later() {
    let mut hand = Hand::asked_by(&[1]);
    hand.hold(1);
    let theirs = MediaStream::Theirs;
    assert_eq!(told(&hand.hear(1, theirs, &MediaFrame::Look { ids: vec![id(1)] })), [id(1)]);
    hand.now += 5_000;
    let ticket = reads(&hand.hear(1, theirs, &get(4, 1)))[0];
    assert_eq!(told(&hand.tell(Input::ReadDone { ticket, slice: None })), []);
    assert_eq!(hand.exchange.poll_timeout(), Some(Instant(hand.now + 1_000)));
    hand.now += 1_000;
    assert_eq!(told(&hand.tell(Input::Wake)), [id(1)]);
}

/// An asker has forgotten what it was told of what it did not look for in between.
#[test]
fn what_is_looked_for_again_is_told_of_again() {
    let mut hand = Hand::asked_by(&[1]);
    [1, 2].iter().for_each(|name| hand.hold(*name));
    let look = |names: &[u8]| MediaFrame::Look { ids: names.iter().map(|name| id(*name)).collect() };
    let theirs = MediaStream::Theirs;
    assert_eq!(told(&hand.hear(1, theirs, &look(&[1, 2]))), [id(1), id(2)]);
    hand.now += 10;
    for names in [&[2][..], &[1, 2]] {
        assert_eq!(told(&hand.hear(1, theirs, &look(names))), []);
    }
    hand.now += 100;
    assert_eq!(told(&hand.tell(Input::Wake)), [id(1)]);
}

#[test]
fn each_blob_is_told_of_once_a_second() {
    let mut hand = Hand::asked_by(&[1]);
    let mut groups = Groups::none(100);
    let mut told = Vec::new();
    hand.hear(1, MediaStream::Theirs, &MediaFrame::Look { ids: vec![id(1), id(2)] });
    for group in 0..100 {
        groups.insert(group);
        let outputs = hand.tell(Input::Hold { id: id(1), size: SIZE, groups: groups.clone() });
        for output in outputs {
            let Output::Send { frame, .. } = output else { panic!("only words are said") };
            let Ok(MediaFrame::Held { items }) = MediaFrame::decode(&frame, &Limits::default()) else {
                panic!("held")
            };
            let item: &HeldItem = &items[0];
            told.push((hand.now, item.groups(&Limits::default()).expect("a bitmap").count()));
        }
        hand.now += 40;
    }
    assert_eq!(told, [(1_000, 1), (2_000, 26), (3_000, 51), (4_000, 76)]);
    assert_eq!(hand.exchange.poll_timeout(), Some(Instant(5_000)), "the rest is not forgotten");
}
