//! Every reason for which a draft is refused, and that nothing comes of it then.

use chanterelle_core::base::{EventId, ThreadId};
use chanterelle_core::event::{Content, DraftError};
use chanterelle_core::node::Target;
use chanterelle_core::wire::Role;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, name};
use super::shell::{EPOCH, Shell, peer, reply_draft, thread_draft};

fn thread(subject: Option<&str>, comment: &str) -> Content {
    Content::Thread {
        board: name("cats"),
        subject: subject.map(str::to_owned),
        comment: comment.to_owned(),
        files: Vec::new(),
    }
}

fn profile(name: &str, about: Option<&str>) -> Content {
    Content::Profile { name: name.to_owned(), about: about.map(str::to_owned) }
}

/// A tab with a thread and a reader who listens.
fn prepared() -> (Shell, ThreadId) {
    let mut shell = Shell::tab(0x50);
    let thread = shell.write_thread("cats", "hello");
    shell.greet_reader(peer(0x60), &["cats"]);
    shell.open(1, Target::Boards);
    shell.advance(1_000);
    shell.said.clear();
    (shell, thread)
}

#[test]
fn texts_beyond_the_limits_are_refused_with_the_reason() {
    let (mut shell, opening) = prepared();
    let long = |count: usize| "é".repeat(count);
    let edit = |comment: &str, subject: Option<&str>| Content::Edit {
        target: opening,
        comment: comment.to_owned(),
        subject: subject.map(str::to_owned),
    };
    let too_long = DraftError::CommentTooLong { count: 10_001, limit: 10_000 };
    let cases = [
        (thread(None, ""), DraftError::Empty),
        (thread(Some("subject"), " \n\t \u{2003}\n"), DraftError::Empty),
        (thread(None, &long(10_001)), too_long.clone()),
        (thread(Some(&long(101)), "x"), DraftError::Subject(100)),
        (thread(Some("two\nlines"), "x"), DraftError::Subject(100)),
        (reply_draft("cats", opening, "   "), DraftError::Empty),
        (reply_draft("cats", opening, &long(10_001)), too_long.clone()),
        (edit("", None), DraftError::Empty),
        (edit(&long(10_001), None), too_long),
        (edit("x", Some("two\nlines")), DraftError::Subject(100)),
        (profile("", None), DraftError::Name(40)),
        (profile("  ", None), DraftError::Name(40)),
        (profile(&long(41), None), DraftError::Name(40)),
        (profile("two\nlines", None), DraftError::Name(40)),
        (profile("Ann", Some(&long(1_001))), DraftError::About(1_000)),
    ];
    shell.hold_batches = true;
    let before = shell.node.index().len();
    for (content, reason) in cases {
        assert_eq!(shell.publish(content.clone()), Err(reason), "{content:?}");
    }
    shell.advance(10_000);
    assert_eq!(shell.node.index().len(), before);
    assert!(shell.batches.is_empty() && shell.said.is_empty(), "{:?}", shell.said);
}

#[test]
fn texts_at_the_limits_are_published() {
    let (mut shell, opening) = prepared();
    let long = |count: usize| "é".repeat(count);
    for content in [
        thread(Some(&long(100)), &long(10_000)),
        thread(Some(" \n"), "an empty subject is none"),
        reply_draft("cats", opening, &format!("\r\n{}\r\n \n", long(10_000))),
        profile(&long(40), Some(&long(1_000))),
        profile("Ann", Some(" ")),
    ] {
        shell.publish(content.clone()).unwrap_or_else(|error| panic!("{content:?}: {error}"));
    }
}

#[test]
fn quotes_beyond_the_limit_are_refused() {
    let (mut shell, opening) = prepared();
    let replies: Vec<EventId> = (0..64).map(|n| shell.write_reply("cats", opening, &n.to_string())).collect();
    let quoting = |count: usize| -> Content {
        let lines: Vec<String> = replies[..count].iter().map(|id| format!(">>{}", id.short())).collect();
        reply_draft("cats", opening, &lines.join("\n"))
    };
    assert_eq!(shell.publish(quoting(64)), Err(DraftError::TooManyQuotes(63)));
    let (many, _) = shell.publish(quoting(63)).expect("as many as may be");
    assert_eq!(shell.node.index().get(&many).expect("it was published").refs().count(), 63);
    let edit = |count: usize| match quoting(count) {
        Content::Post { comment, .. } => Content::Edit { target: many, comment, subject: None },
        other => other,
    };
    assert_eq!(shell.publish(edit(64)), Err(DraftError::TooManyQuotes(63)));
    shell.publish(edit(63)).expect("the target of an edit has a place of its own");
}

#[test]
fn there_is_no_reply_to_what_is_not_here() {
    let (mut shell, opening) = prepared();
    let theirs = author(1).thread("cats", "x", EPOCH);
    assert_eq!(shell.publish(reply_draft("cats", theirs.id(), "x")), Err(DraftError::UnknownTarget));
    assert_eq!(
        shell.publish(reply_draft("dogs", opening, "x")),
        Err(DraftError::UnknownTarget),
        "another board"
    );
    let reply = shell.write_reply("cats", opening, "y");
    assert_eq!(shell.publish(reply_draft("cats", reply, "x")), Err(DraftError::UnknownTarget), "no thread");
}

#[test]
fn a_relay_has_nothing_to_sign_with() {
    let mut relay = Shell::relay(0x20);
    assert_eq!(relay.publish(thread_draft("cats", "hello")), Err(DraftError::NoIdentity));
}

#[test]
fn what_comes_out_too_large_is_refused() {
    let mut shell = Shell::new(0x50, Role::Tab, |limits| limits.event_bytes = 500);
    assert_eq!(shell.publish(thread_draft("cats", &"x".repeat(500))), Err(DraftError::TooLarge));
    shell.publish(thread_draft("cats", "x")).expect("a small one");
}

#[test]
fn every_reason_tells_a_person_what_to_do() {
    let reasons = [
        DraftError::Empty,
        DraftError::CommentTooLong { count: 10_001, limit: 10_000 },
        DraftError::Subject(100),
        DraftError::Name(40),
        DraftError::About(1_000),
        DraftError::TooManyQuotes(63),
        DraftError::UnknownTarget,
        DraftError::NotYours,
        DraftError::NoIdentity,
        DraftError::TooLarge,
    ];
    for reason in reasons {
        let words = reason.to_string();
        assert!(words.split(' ').count() >= 3 && !words.contains("Error"), "{words}");
    }
    assert!(DraftError::CommentTooLong { count: 10_001, limit: 10_000 }.to_string().contains("10001"));
}
