//! From a draft to an own event: the right key and the right references.

use chanterelle_core::base::{AuthorId, EventId, Limits, Seconds, ThreadId};
use chanterelle_core::event::{Body, Content, DraftError, Event, Kind, Persona, Ref, rel};
use chanterelle_core::node::{Command, Target};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::authors::{author, board, reference};
use super::shell::{EPOCH, Shell, peer, reply_draft, thread_draft, thread_target};
use super::world::World;

const BOB: u8 = 0x60;

const PSEUDONYM: Persona = Persona::Pseudonym;
const IDENTITY: Persona = Persona::Identity;

fn event(shell: &Shell, id: EventId) -> Event {
    let bytes = shell.disk.bytes.get(&id).expect("it is stored");
    Event::decode(bytes, &Limits::default()).expect("a stored event")
}

fn signer(shell: &Shell, id: EventId) -> AuthorId {
    event(shell, id).fields().author
}

fn edit(target: EventId, comment: &str) -> Content {
    Content::Edit { target, comment: comment.to_owned(), subject: None }
}

fn refs(shell: &Shell, id: EventId) -> Vec<Ref> {
    event(shell, id).fields().refs.clone()
}

#[test]
fn two_threads_show_two_authors() {
    let mut shell = Shell::tab(0x50);
    let threads = [(); 5].map(|()| shell.write_thread("cats", "the same words"));
    let mut signers: Vec<AuthorId> = threads.iter().map(|id| signer(&shell, *id)).collect();
    signers.push(Shell::tab(0x50).write_thread_as_identity());
    signers.sort_unstable();
    signers.dedup();
    assert_eq!(signers.len(), 6, "and none is the identity");
}

impl Shell {
    fn write_thread_as_identity(&mut self) -> AuthorId {
        let (id, _) = self.publish_as(IDENTITY, thread_draft("cats", "it is me")).expect("a good draft");
        signer(self, id)
    }
}

#[test]
fn in_an_own_thread_the_opening_key_stays() {
    let mut shell = Shell::tab(0x50);
    let thread = shell.write_thread("cats", "hello");
    let replies = [shell.write_reply("cats", thread, "one"), shell.write_reply("cats", thread, "two")];
    for reply in replies {
        assert_eq!(signer(&shell, reply), signer(&shell, thread));
    }
    shell.open(1, thread_target(board("cats"), thread));
    assert!(shell.screen(1).posts.values().all(|post| post.by_opener && post.own));
}

#[test]
fn in_another_thread_there_is_one_key_for_that_thread() {
    let mut shell = Shell::tab(0x50);
    let mine = shell.write_thread("cats", "mine");
    let theirs = [author(1).thread("cats", "x", EPOCH), author(1).thread("cats", "y", EPOCH)];
    shell.hold(&theirs);
    let [a, c] = [&theirs[0], &theirs[1]]
        .map(|thread| shell.write_reply("cats", thread.id(), &format!("{:?}", thread.id())));
    let again = shell.write_reply("cats", theirs[0].id(), "again");
    assert_eq!(signer(&shell, a), signer(&shell, again));
    let identity = Shell::tab(0x50).write_thread_as_identity();
    let mut signers = vec![signer(&shell, a), signer(&shell, c), signer(&shell, mine), identity];
    signers.sort_unstable();
    signers.dedup();
    assert_eq!(signers.len(), 4);
}

#[test]
fn two_people_show_two_authors_in_one_thread() {
    let thread = author(1).thread("cats", "x", EPOCH);
    let signers = [0x50, 0x51].map(|number| {
        let mut shell = Shell::tab(number);
        shell.hold([&thread]);
        let reply = shell.write_reply("cats", thread.id(), "hello");
        signer(&shell, reply)
    });
    assert_ne!(signers[0], signers[1]);
}

#[test]
fn whoever_wants_a_name_signs_with_the_identity_everywhere() {
    let mut shell = Shell::tab(0x50);
    let (one, _) = shell.publish_as(IDENTITY, thread_draft("cats", "me")).expect("a good draft");
    let (two, _) = shell.publish_as(IDENTITY, thread_draft("dogs", "me again")).expect("a good draft");
    let hidden = shell.write_thread("cats", "not me");
    let (reply, _) =
        shell.publish_as(IDENTITY, reply_draft("cats", hidden, "me here")).expect("a good draft");
    let profile = Content::Profile { name: "Ann".to_owned(), about: Some("hello".to_owned()) };
    let (profile, _) = shell.publish(profile).expect("a good draft");
    let identity = signer(&shell, one);
    for id in [two, reply, profile] {
        assert_eq!(signer(&shell, id), identity);
    }
    assert_ne!(signer(&shell, hidden), identity);
    // In a thread opened under one's name, the pseudonym is another key all the same.
    let (nameless, _) =
        shell.publish_as(PSEUDONYM, reply_draft("cats", one, "who am I?")).expect("a good draft");
    assert_ne!(signer(&shell, nameless), identity);
}

#[test]
fn after_a_restart_the_keys_are_the_same() {
    let mut shell = Shell::tab(0x50);
    let mine = shell.write_thread("cats", "mine");
    let theirs = author(1).thread("cats", "x", EPOCH);
    shell.hold([&theirs]);
    let before = shell.write_reply("cats", theirs.id(), "before");
    shell.restart();
    let after = shell.write_reply("cats", theirs.id(), "after");
    let own = shell.write_reply("cats", mine, "still me");
    assert_eq!(signer(&shell, after), signer(&shell, before));
    assert_eq!(signer(&shell, own), signer(&shell, mine));
    shell.publish(edit(mine, "mine!")).expect("it is mine");
    shell.publish(edit(before, "before!")).expect("it is mine");
    let new = shell.write_thread("cats", "mine");
    assert_ne!(signer(&shell, new), signer(&shell, mine), "the salt of a new life is a new one");
}

#[test]
fn only_own_posts_can_be_changed() {
    let mut shell = Shell::tab(0x50);
    let theirs = author(1).thread("cats", "x", EPOCH);
    let reply = author(2).reply(board("cats"), theirs.id(), "y", EPOCH);
    shell.hold([&theirs, &reply]);
    for id in [theirs.id(), reply.id()] {
        assert_eq!(shell.publish(edit(id, "z")), Err(DraftError::NotYours));
        assert_eq!(shell.publish(Content::Delete { target: id }), Err(DraftError::NotYours));
    }
    let nowhere = EventId([9; 32]);
    assert_eq!(shell.publish(edit(nowhere, "z")), Err(DraftError::UnknownTarget));
    assert_eq!(shell.publish(Content::Delete { target: nowhere }), Err(DraftError::UnknownTarget));
    let mine = shell.write_reply("cats", theirs.id(), "mine");
    let (edited, _) = shell.publish(edit(mine, "mine!")).expect("it is mine");
    assert_eq!(shell.publish(edit(edited, "z")), Err(DraftError::UnknownTarget), "an edit is no post");
}

#[test]
fn changes_are_signed_by_whoever_signed_the_post() {
    let mut shell = Shell::tab(0x50);
    let theirs = author(1).thread("cats", "x", EPOCH);
    shell.hold([&theirs]);
    let mine = shell.write_thread("cats", "one");
    let there = shell.write_reply("cats", theirs.id(), "two");
    let (named, _) = shell.publish_as(IDENTITY, reply_draft("cats", mine, "three")).expect("a good draft");
    for id in [mine, there, named] {
        // Whatever persona the draft asks for: another could change nothing.
        for persona in [PSEUDONYM, IDENTITY] {
            let (change, _) =
                shell.publish_as(persona, edit(id, &format!("{persona:?}"))).expect("it is mine");
            assert_eq!(signer(&shell, change), signer(&shell, id));
        }
        let (gone, _) = shell.publish_as(IDENTITY, Content::Delete { target: id }).expect("it is mine");
        assert_eq!(signer(&shell, gone), signer(&shell, id));
    }
}

#[test]
fn the_last_edit_wins_even_within_one_second() {
    let mut shell = Shell::tab(0x50);
    let thread = shell.write_thread("cats", "0");
    shell.open(1, thread_target(board("cats"), thread));
    for n in 1..20 {
        let (id, of) = shell.publish(edit(thread, &n.to_string())).expect("it is mine");
        assert_eq!((event(&shell, id).fields().seq, of), (Some(n), Some(thread)));
        shell.advance(60);
        assert_eq!(shell.screen(1).comment(thread), n.to_string());
    }
    shell.restart();
    let (id, _) = shell.publish(edit(thread, "20")).expect("it is mine");
    assert_eq!(event(&shell, id).fields().seq, Some(20));
}

#[test]
fn the_last_profile_wins_too() {
    let mut shell = Shell::tab(0x50);
    let mut seqs = Vec::new();
    for n in 0..3 {
        let (id, _) =
            shell.publish(Content::Profile { name: format!("Ann {n}"), about: None }).expect("good");
        seqs.push(event(&shell, id).fields().seq);
        shell.restart();
    }
    assert_eq!(seqs, [Some(1), Some(2), Some(3)]);
}

#[test]
fn what_is_published_says_where_it_went() {
    let mut shell = Shell::tab(0x50);
    let (thread, of) = shell.publish(thread_draft("cats", "hello")).expect("a good draft");
    assert_eq!(of, Some(thread));
    let (_, of) = shell.publish(reply_draft("cats", thread, "hello")).expect("a good draft");
    assert_eq!(of, Some(thread));
    let opening = event(&shell, thread);
    assert_eq!(
        (opening.kind(), opening.fields().board, opening.fields().thread),
        (Kind::THREAD, board("cats"), None)
    );
    assert_eq!(opening.fields().time, shell.now.unix);
    assert!(matches!(opening.body(), Body::Thread(body) if body.board_name.is_some()));
}

#[test]
fn quotes_typed_by_hand_are_found_in_the_thread() {
    let mut shell = Shell::tab(0x50);
    let thread = shell.write_thread("cats", "hello");
    let elsewhere = shell.write_thread("cats", "elsewhere");
    let reply = shell.write_reply("cats", thread, "a reply");
    let (a, b, c) = (thread.short(), reply.short(), elsewhere.short());
    let text = format!(">>{a}\n>>{b} >>{a} again, and >>{c} of another thread, and >>00000000");
    let quoting = shell.write_reply("cats", thread, &text);
    let mut expected = vec![reference(rel::ANSWERS, thread), reference(rel::ANSWERS, reply)];
    expected.sort();
    assert_eq!(refs(&shell, quoting), expected);
    assert!(
        matches!(event(&shell, quoting).body(), Body::Post(body) if body.comment == text),
        "the text stays"
    );
    let (edited, _) = shell.publish(edit(reply, &format!(">>{a}"))).expect("it is mine");
    let mut expected = vec![reference(rel::ANSWERS, thread), reference(rel::EDITS, reply)];
    expected.sort();
    assert_eq!(refs(&shell, edited), expected);
}

#[test]
fn quotes_of_another_thread_and_board_say_so() {
    let mut shell = Shell::tab(0x50);
    let thread = shell.write_thread("cats", "hello");
    let same_board = shell.write_thread("cats", "elsewhere");
    let other_board = shell.write_thread("dogs", "far away");
    let unknown = EventId([0xab; 32]);
    let quotes = vec![same_board, other_board, unknown, EventId([1; 32])];
    let comment = format!(">>{} >>{} >>{}", same_board.short(), other_board.short(), unknown.short());
    let draft =
        Content::Post { board: board("cats"), thread, comment, sage: true, quotes, files: Vec::new() };
    let (id, _) = shell.publish(draft).expect("a good draft");
    let mut expected = vec![
        reference(rel::QUOTES, same_board),
        Ref { board: Some(board("dogs")), ..reference(rel::QUOTES, other_board) },
        reference(rel::ANSWERS, unknown),
    ];
    expected.sort();
    assert_eq!(refs(&shell, id), expected, "what the comment does not quote is not referred to");
    assert!(matches!(event(&shell, id).body(), Body::Post(body) if body.sage));
}

/// Two replies whose ids begin with the same eight digits, found by trying.
fn alike(thread: ThreadId) -> [Event; 2] {
    let reply = |n: u32| author(2).reply(board("cats"), thread, &n.to_string(), Seconds(EPOCH.0 - 100));
    ALIKE.map(reply)
}

const ALIKE: [u32; 2] = [46_079, 95_984];

#[test]
fn a_quote_that_could_mean_two_posts_stays_text() {
    let mut shell = Shell::tab(0x50);
    let opening = author(1).event(Kind::THREAD, Seconds(EPOCH.0 - 200), |fields| {
        fields.board = board("cats");
        fields.body = ipld!({ "comment": "x", "salt": Ipld::Bytes(vec![0; 16]) });
    });
    let [one, two] = alike(opening.id());
    assert_eq!(one.id().short(), two.id().short());
    assert_ne!(one.id(), two.id());
    shell.hold([&opening, &one, &two]);
    let text = format!(">>{}", one.id().short());
    let typed = shell.write_reply("cats", opening.id(), &text);
    assert!(refs(&shell, typed).is_empty());
    // Whoever clicked on one of them has said which.
    let clicked = Content::Post {
        board: board("cats"),
        thread: opening.id(),
        comment: text,
        sage: false,
        quotes: vec![two.id()],
        files: Vec::new(),
    };
    let (clicked, _) = shell.publish(clicked).expect("a good draft");
    assert_eq!(refs(&shell, clicked), [reference(rel::ANSWERS, two.id())]);
}

#[test]
fn a_withdrawn_post_is_shown_without_its_text() {
    let mut shell = Shell::tab(0x50);
    let thread = shell.write_thread("cats", "hello");
    let reply = shell.write_reply("cats", thread, "regretted");
    shell.open(1, thread_target(board("cats"), thread));
    shell.open(2, Target::Post(reply));
    shell.publish(Content::Delete { target: reply }).expect("it is mine");
    shell.advance(1_000);
    let post = shell.screen(1).post(reply);
    assert!(post.deleted && post.comment.is_empty());
    assert!(shell.screen(2).single.as_ref().is_some_and(|post| post.deleted && post.comment.is_empty()));
    shell.command(Command::Close(1));
    shell.publish(edit(reply, "never mind")).expect("it is mine");
    shell.advance(1_000);
    assert!(shell.screen(2).single.as_ref().is_some_and(|post| post.deleted), "and it stays so");
}

/// Times are whole seconds, and a conversation is faster than that.
#[test]
fn an_answer_stands_after_what_it_answers() {
    let mut world = World::new(vec![Shell::tab(0x50), Shell::relay(0x20), Shell::tab(0x60)]);
    // One clock is a little slow.
    world.shells[2].now.unix = Seconds(EPOCH.0 - 30);
    for tab in [0, 2] {
        world.shells[tab].subscribe("cats");
        world.link(tab, 1);
    }
    world.run(1_000);
    let thread = world.shells[0].write_thread("cats", "first");
    world.run(200);
    let mut said = vec![thread];
    for turn in 0..40 {
        let tab = [2, 0][turn % 2];
        said.push(world.shells[tab].write_reply("cats", thread, &turn.to_string()));
        world.run(60);
    }
    world.run(5_000);
    for shell in [0, 2] {
        let index = world.shells[shell].node.index();
        let shown: Vec<EventId> = index.of_thread(&board("cats"), &thread).map(|row| row.id()).collect();
        assert_eq!(shown, said);
    }
}

/// Whoever claims times far ahead does not take others with them.
#[test]
fn own_times_stay_near_the_clock() {
    let mut shell = Shell::tab(0x50);
    shell.subscribe("cats");
    let thread = shell.write_thread("cats", "first");
    shell.greet_reader(peer(BOB), &[]);
    let ahead = author(2).reply(board("cats"), thread, "from the future", EPOCH.plus(800));
    shell.hear_events(peer(BOB), 1, [&ahead]);
    let time = |shell: &Shell, id: EventId| shell.node.index().get(&id).expect("it is held").time();
    let next = shell.write_reply("cats", thread, "now");
    assert_eq!(time(&shell, next), EPOCH.plus(1));
    for n in 0..300 {
        let id = shell.write_reply("cats", thread, &n.to_string());
        assert!(time(&shell, id) <= EPOCH.plus(120), "reply {n}");
    }
}
