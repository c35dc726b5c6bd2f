//! Files of posts and what was made of them, as views show both.

use chanterelle_core::base::{AuthorId, BlobId, EventId, Limits, ThreadId};
use chanterelle_core::event::{
    Attachment, BlobRef, Content, DraftError, Event, FileInfo, Persona, RenditionBody,
};
use chanterelle_core::node::{Command, Input};
use chanterelle_core::view::Rendition;
use chanterelle_core::wire::{Frame, Hello, Role, VERSION};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{board, name};
use super::shell::{Shell, peer, thread_target};

fn blob(n: u8) -> BlobRef {
    BlobRef { id: BlobId([n; 32]), size: 1_000 + u64::from(n) }
}

fn file(n: u8, thumb: Option<u8>) -> Attachment {
    let info = FileInfo {
        name: Some(format!("{n}.webp")),
        width: Some(4),
        height: Some(3),
        thumb: thumb.is_some(),
        ..FileInfo::new("image/webp")
    };
    Attachment { blob: blob(n), thumb: thumb.map(blob), info }
}

fn pictures(comment: &str, files: Vec<Attachment>) -> Content {
    Content::Thread { board: name("cats"), subject: None, comment: comment.to_owned(), files }
}

/// A tab with a thread of three pictures, of which it shows board and thread.
fn prepared() -> (Shell, ThreadId, Vec<Attachment>) {
    let mut shell = Shell::tab(0x50);
    let files = vec![file(1, Some(11)), file(2, None), file(3, Some(13))];
    let (thread, _) = shell.publish(pictures("", files.clone())).expect("pictures say enough");
    shell.open(1, thread_target(board("cats"), thread));
    shell.advance(100);
    (shell, thread, files)
}

fn rendition(thread: ThreadId, source: u8, result: u8) -> Content {
    let body = RenditionBody {
        source: BlobId([source; 32]),
        profile: "low".to_owned(),
        mime: "image/webp".to_owned(),
        width: None,
        height: None,
        duration: None,
    };
    Content::Rendition { board: board("cats"), thread, post: thread, body, blob: blob(result) }
}

/// An event that was stored.
fn stored(shell: &Shell, id: EventId) -> Event {
    Event::decode(&shell.disk.bytes[&id], shell.limits()).expect("what was stored")
}

#[test]
fn files_are_shown_as_they_were_given_and_stay_when_the_words_change() {
    let (mut shell, thread, files) = prepared();
    assert_eq!(shell.screen(1).post(thread).files, files);
    let edit = Content::Edit { target: thread, comment: "Three.".to_owned(), subject: None };
    shell.publish(edit).expect("a good draft");
    shell.advance(100);
    assert_eq!(shell.screen(1).comment(thread), "Three.");
    assert_eq!(shell.screen(1).post(thread).files, files);

    shell.restart();
    shell.open(1, thread_target(board("cats"), thread));
    shell.advance(100);
    assert_eq!((shell.screen(1).comment(thread), &shell.screen(1).post(thread).files), ("Three.", &files));

    shell.publish(Content::Delete { target: thread }).expect("an own post");
    shell.advance(100);
    assert!(shell.screen(1).post(thread).deleted);
    assert_eq!(shell.screen(1).post(thread).files, []);
}

#[test]
fn a_rendition_is_shown_by_whom_one_believes() {
    let (mut shell, thread, _) = prepared();
    let mut relay = Shell::tab(0x51);
    relay.hold([&stored(&shell, thread)]);
    let (made, _) = relay.publish_as(Persona::Identity, rendition(thread, 1, 21)).expect("a good draft");
    let producer = relay.node.index().get(&made).expect("it was admitted").author();
    shell.greet_reader(peer(0x60), &[]);
    shell.hear_events(peer(0x60), 1, [&stored(&relay, made)]);
    shell.advance(100);
    assert!(shell.holds(made));
    assert_eq!(shell.screen(1).post(thread).renditions, [], "anybody could have said that");

    let relay = |producer| {
        let window = Limits::default().window_frames;
        Frame::Hello(Hello { v: VERSION, role: Role::Relay, agent: String::new(), window, producer })
    };
    // Whoever is connected directly says what they like.
    shell.input(Input::ConnectedDirectly(peer(0x61)));
    shell.hear(peer(0x61), relay(Some(producer)));
    shell.advance(100);
    assert_eq!(shell.screen(1).post(thread).renditions, []);

    shell.input(Input::Connected(peer(0x62)));
    shell.hear(peer(0x62), relay(Some(producer)));
    shell.advance(100);
    let Content::Rendition { body, blob, .. } = rendition(thread, 1, 21) else { unreachable!("made above") };
    let expected = Rendition { blob, producer, made: body };
    assert_eq!(shell.screen(1).post(thread).renditions, std::slice::from_ref(&expected));

    shell.restart();
    shell.open(1, thread_target(board("cats"), thread));
    shell.advance(100);
    assert_eq!(shell.screen(1).post(thread).renditions, [expected], "without a network, too");

    let limit = shell.limits().producers;
    for n in (0..).map(|n| AuthorId([n; 32])).take(limit) {
        shell.input(Input::Connected(peer(0x63)));
        shell.hear(peer(0x63), relay(Some(n)));
    }
    shell.advance(100);
    shell.command(Command::Open(1, thread_target(board("cats"), thread)));
    shell.advance(100);
    assert_eq!(shell.screen(1).post(thread).renditions, [], "other relays were met since");
}

#[test]
fn what_cannot_be_carried_is_said_before_signing() {
    let mut shell = Shell::tab(0x50);
    let many = (0..9).map(|n| file(n, None)).collect();
    let long = |change: fn(&mut FileInfo)| {
        let mut file = file(1, None);
        change(&mut file.info);
        vec![file]
    };
    for (content, reason) in [
        (pictures("x", many), DraftError::TooManyFiles(8)),
        (pictures("", Vec::new()), DraftError::Empty),
        (pictures("x", long(|info| info.name = Some("n".repeat(121)))), DraftError::FileName(120)),
        (pictures("x", long(|info| info.alt = Some("n".repeat(1_001)))), DraftError::Alt(1_000)),
        (pictures("x", long(|info| info.height = None)), DraftError::File),
    ] {
        assert_eq!(shell.publish(content), Err(reason));
    }
}
