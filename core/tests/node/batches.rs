//! One batch under way at a time, shared by whatever comes meanwhile, and credit that waits for a slow disk.

use chanterelle_core::node::{Input, StorageError, Ticket};
use chanterelle_core::wire::{Frame, Role};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board};
use super::shell::{EPOCH, Shell, peer};

const BOB: u8 = 0x60;

fn events(count: usize) -> Vec<chanterelle_core::event::Event> {
    (0..count).map(|n| author(1).thread("cats", &n.to_string(), EPOCH)).collect()
}

#[test]
fn what_comes_meanwhile_makes_up_the_next_batch() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let events = events(6);
    for (n, event) in (1..).zip(&events) {
        shell.hear_events(peer(BOB), n, [event]);
        shell.advance(100);
    }
    let ids = |shell: &Shell| shell.batches[0].puts.iter().map(|put| put.row.id).collect::<Vec<_>>();
    assert_eq!(ids(&shell), [events[0].id()]);
    shell.store(Ok(()));
    let rest: Vec<_> = events[1..].iter().map(|event| event.id()).collect();
    assert_eq!(ids(&shell), rest, "in the order they came");
    shell.store(Ok(()));
    assert!(shell.batches.is_empty());
    assert!(events.iter().all(|event| shell.disk.bytes[&event.id()] == *event.bytes()));
}

#[test]
fn a_batch_is_bounded() {
    let mut shell = Shell::new(0x50, Role::Tab, |limits| limits.persist_events = 10);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    shell.hear_events(peer(BOB), 1, &events(25));
    let mut sizes = Vec::new();
    while let Some(batch) = shell.batches.front() {
        sizes.push(batch.puts.len());
        shell.store(Ok(()));
    }
    assert_eq!(sizes, [10, 10, 5]);
}

#[test]
fn everything_that_is_to_be_remembered_shares_a_batch() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &["cats"]);
    let sent = shell.write_thread("cats", "one");
    shell.hold_batches = true;
    shell.write_thread("cats", "two");
    shell.hear(peer(BOB), Frame::Ack { ids: vec![sent] });
    shell.subscribe("cats");
    shell.subscribe("dogs");
    let third = shell.write_reply("cats", sent, "three");
    shell.store(Ok(()));
    let batch = &shell.batches[0];
    let puts: Vec<_> = batch.puts.iter().map(|put| (put.row.id, put.event.is_some())).collect();
    assert_eq!(puts, [(third, true), (sent, false)]);
    assert!(batch.state.is_some());
    shell.store(Ok(()));
    assert!(shell.batches.is_empty());
}

#[test]
fn an_answer_to_another_batch_is_none() {
    let mut shell = Shell::tab(0x50);
    shell.hold_batches = true;
    let thread = shell.write_thread("cats", "hello");
    let ticket = shell.batches[0].ticket;
    shell.input(Input::Persisted(Ticket(ticket.0 + 1), Ok(())));
    shell.input(Input::Persisted(Ticket(0), Err(StorageError::Full)));
    assert!(shell.node.is_pending(&thread));
    shell.store(Ok(()));
    assert!(!shell.node.is_pending(&thread));
    shell.input(Input::Persisted(ticket, Err(StorageError::Full)));
    assert!(shell.holds(thread) && !shell.node.is_pending(&thread), "answered already");
}

/// Credit is what bounds the events a peer can have us keep in memory while the disk is slow.
#[test]
fn no_more_is_let_in_while_storage_is_far_behind() {
    let mut shell = Shell::new(0x50, Role::Tab, |limits| {
        limits.persist_events = 8;
        limits.window_frames = 8;
    });
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let events = events(200);
    let mut granted = shell.limits().window_frames;
    let mut sent = 0;
    for (n, event) in (1..).zip(events.chunks(10)) {
        if n > granted {
            break;
        }
        shell.hear_events(peer(BOB), n, event);
        sent += event.len();
        shell.advance(100);
        for frame in shell.frames(peer(BOB)) {
            if let Frame::Credit { frames } = frame {
                granted = frames;
            }
        }
    }
    assert!((32..200).contains(&sent), "{sent} events were let in");
    shell.advance(300_000);
    let repeated = shell.frames(peer(BOB)).into_iter().filter_map(|frame| match frame {
        Frame::Credit { frames } => Some(frames),
        _ => None,
    });
    assert!(repeated.max() <= Some(granted), "nothing is granted by waiting");
    while !shell.batches.is_empty() {
        shell.store(Ok(()));
    }
    assert!(shell.frames(peer(BOB)).iter().any(|frame| match frame {
        Frame::Credit { frames } => *frames > granted,
        _ => false,
    }));
}

#[test]
fn a_pending_event_is_given_out_and_quoted_like_any() {
    let mut shell = Shell::tab(0x50);
    shell.greet_reader(peer(BOB), &[]);
    shell.hold_batches = true;
    let thread = author(1).thread("cats", "x", EPOCH);
    shell.hear_events(peer(BOB), 1, [&thread]);
    let reply = shell.write_reply("cats", thread.id(), &format!(">>{} indeed", thread.id().short()));
    let row = shell.node.index().get(&reply).expect("it was published");
    assert!(row.board() == board("cats") && row.refs().count() == 1);
    let ann = peer(0x10);
    shell.greet_reader(ann, &[]);
    shell.hear(ann, Frame::Want { ids: vec![thread.id()] });
    shell.advance(1_000);
    assert!(shell.reads.is_empty(), "there is nothing to read yet");
    assert!(shell.events(ann).contains(&thread.id()));
}
