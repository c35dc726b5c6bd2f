//! One value of every wire type, written out by hand: what the vector file holds the bytes of.
//!
//! Changing a value here changes published bytes; that is done on purpose or not at all.

use chanterelle_core::base::{BlobId, BoardId, BoardName, EventId, PeerId, Seconds, Slot};
use chanterelle_core::crypto::{ReachSecret, SecretKey, Signature, event_id, no_board, open_board_id};
use chanterelle_core::event::{BlobRef, Event, Fields, Kind, Pow, Ref};
use chanterelle_core::gossip::PeerRecord;
use chanterelle_core::invite::{
    Address, Candidate, CandidateKind, ConnectCode, Description, FriendCode, Half, Place, ReachRecord,
};
use chanterelle_core::store::{Marks, Rel, Row};
use chanterelle_core::wire::{Frame, Hello, Role, Scope};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use serde_bytes::{ByteArray, ByteBuf, Bytes};

/// A moment in 2026.
pub(super) const TIME: Seconds = Seconds(1_790_000_000);

/// An event before it is signed, and the key that signs it.
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) key: SecretKey,
    pub(super) seed: [u8; 32],
    pub(super) fields: Fields,
}

/// What signing makes of fields.
pub(super) struct Signed {
    pub(super) unsigned: Vec<u8>,
    pub(super) id: EventId,
    pub(super) signature: Signature,
    pub(super) bytes: Vec<u8>,
}

/// Signs bytes, whatever they are.
pub(super) fn sign(unsigned: Vec<u8>, key: &SecretKey) -> Signed {
    let id = event_id(&unsigned);
    let signature = key.sign(&id);
    let bytes = envelope(&unsigned, &signature);
    Signed { unsigned, id, signature, bytes }
}

/// The pair in which an event is stored and sent.
pub(super) fn envelope(unsigned: &[u8], signature: &Signature) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(&(Bytes::new(unsigned), ByteArray::new(signature.0))).expect("bytes encode")
}

impl Sample {
    fn new(name: &'static str, seed: u8, kind: Kind, body: Ipld) -> Sample {
        let seed = [seed; 32];
        let key = SecretKey::from_seed(seed);
        let fields = Fields {
            v: 1,
            kind,
            author: key.public(),
            acts_for: None,
            board: mushrooms(),
            thread: None,
            time: TIME,
            seq: None,
            refs: Vec::new(),
            blobs: Vec::new(),
            body,
            pow: None,
            ext: None,
        };
        Sample { name, key, seed, fields }
    }

    fn with(mut self, change: impl FnOnce(&mut Fields)) -> Sample {
        change(&mut self.fields);
        self
    }

    pub(super) fn signed(&self) -> Signed {
        sign(serde_ipld_dagcbor::to_vec(&self.fields).expect("fields encode"), &self.key)
    }
}

pub(super) fn mushrooms() -> BoardId {
    open_board_id(&BoardName::new("mushrooms").expect("a board name"))
}

pub(super) fn reference(rel: &str, id: EventId) -> Ref {
    Ref { rel: rel.to_owned(), id, board: None }
}

fn salt() -> Ipld {
    Ipld::Bytes((0xa0..0xb0).collect())
}

/// Events of every kind, with and without what may be absent.
pub(super) fn events() -> Vec<Sample> {
    let thread = Sample::new(
        "thread",
        1,
        Kind::THREAD,
        ipld!({
            "board_name": "mushrooms",
            "comment": "What grows under the birch?",
            "salt": salt(),
            "subject": "Birch",
        }),
    );
    let opening = thread.signed().id;
    let bare = Sample::new("thread-bare", 2, Kind::THREAD, ipld!({ "comment": "x", "salt": salt() }))
        .with(|fields| fields.board = BoardId([0xb0; 32]));
    let elsewhere = bare.signed().id;
    let post = Sample::new("post", 3, Kind::POST, ipld!({ "comment": "A chanterelle." }))
        .with(|fields| fields.thread = Some(opening));
    let reply = post.signed().id;
    // Composed and decomposed accents, a joined emoji and right-to-left text: text is never normalized.
    let comment =
        format!(">>{}\n>>{}\nCafé, cafe\u{301}, 👩‍🔬, \u{5e4}\u{5d8}\u{5e8}\n", opening.short(), reply.short());
    let full =
        Sample::new("post-full", 4, Kind::POST, ipld!({ "comment": comment, "sage": true })).with(|fields| {
            fields.acts_for = Some(SecretKey::from_seed([5; 32]).public());
            fields.thread = Some(opening);
            fields.refs = vec![
                reference("answers", opening),
                reference("answers", reply),
                Ref { board: Some(BoardId([0xb0; 32])), ..reference("quotes", elsewhere) },
                reference("unheard-of", EventId([0xee; 32])),
            ];
            fields.blobs = vec![
                BlobRef { id: BlobId([0xbb; 32]), size: 0 },
                BlobRef { id: BlobId([0xcc; 32]), size: 1 << 40 },
            ];
            fields.pow = Some(Pow { alg: "blake3".to_owned(), bits: 20, nonce: vec![0, 1, 2, 0xff] });
            fields.ext = Some(ipld!({ "a": [1, -1, true], "anything": {} }));
        });
    let edit = Sample::new("edit", 3, Kind::EDIT, ipld!({ "comment": "Two chanterelles." })).with(|fields| {
        fields.thread = Some(opening);
        fields.time = TIME.plus(60);
        fields.seq = Some(1);
        fields.refs = vec![reference("edits", reply)];
    });
    let edit_opening = Sample::new(
        "edit-opening",
        1,
        Kind::EDIT,
        ipld!({ "comment": format!("See >>{}", reply.short()), "subject": "Birches" }),
    )
    .with(|fields| {
        fields.thread = Some(opening);
        fields.time = TIME.plus(61);
        fields.seq = Some((1 << 53) - 1);
        fields.refs = vec![reference("answers", reply), reference("edits", opening)];
    });
    let delete = Sample::new("delete", 3, Kind::DELETE, Ipld::Map(Default::default())).with(|fields| {
        fields.thread = Some(opening);
        fields.time = TIME.plus(120);
        fields.refs = vec![reference("deletes", reply)];
    });
    let profile = Sample::new("profile", 5, Kind::PROFILE, ipld!({ "name": "Fungus" })).with(|fields| {
        fields.board = no_board();
        fields.seq = Some(0);
    });
    let profile_about = Sample::new(
        "profile-about",
        5,
        Kind::PROFILE,
        ipld!({ "about": "Grows at night.", "name": "Füngus" }),
    )
    .with(|fields| {
        fields.board = no_board();
        fields.seq = Some(256);
    });
    let numbers = [0, 23, 24, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000, (1 << 53) - 1];
    let numbers = numbers.into_iter().flat_map(|n: i128| [n, -n]).map(Ipld::Integer).collect();
    let unknown = Sample::new(
        "unknown-kind",
        6,
        Kind(65_535),
        ipld!({
            "": "an empty key",
            "b": Ipld::Bytes(vec![0; 24]),
            "aa": Ipld::List(numbers),
            "é": [[], {}, [[[false]]]],
        }),
    )
    .with(|fields| fields.time = Seconds((1 << 53) - 1));
    let unknown_list = Sample::new("unknown-kind-list", 6, Kind(0), ipld!(["any", "body"])).with(|fields| {
        fields.board = no_board();
        fields.time = Seconds(0);
        fields.thread = Some(opening);
        fields.seq = Some(7);
    });
    let who = Ipld::Bytes(SecretKey::from_seed([1; 32]).public().0.to_vec());
    let follow = Sample::new("follow", 5, Kind::FOLLOW, ipld!({ "who": who.clone() })).with(|fields| {
        fields.board = no_board();
        fields.seq = Some(1);
    });
    let follow_ended = Sample::new("follow-ended", 5, Kind::FOLLOW, ipld!({ "who": who, "ended": true }))
        .with(|fields| {
            fields.board = no_board();
            fields.seq = Some(2);
        });
    let pictures = Sample::new(
        "post-files",
        3,
        Kind::POST,
        ipld!({
            "comment": "",
            "files": [
                {
                    "alt": "A chanterelle under a birch",
                    "height": 1_200,
                    "name": "Pfifferling (1).webp",
                    "spoiler": true,
                    "thumb": true,
                    "thumbhash": Ipld::Bytes(vec![0x21, 0x08, 0x0a, 0x9d, 0x25]),
                    "type": "image/webp",
                    "width": 1_600,
                },
                { "duration": 61_500, "type": "audio/ogg" },
            ],
        }),
    )
    .with(|fields| {
        fields.thread = Some(opening);
        fields.blobs = [(0xb1, 250_000), (0xb2, 1), (0xb3, 9_000)]
            .map(|(n, size)| BlobRef { id: BlobId([n; 32]), size })
            .to_vec();
    });
    let with_pictures = pictures.signed().id;
    let rendition = Sample::new(
        "rendition",
        7,
        Kind::RENDITION,
        ipld!({
            "duration": 61_500,
            "profile": "low",
            "source": Ipld::Bytes(vec![0xb2; 32]),
            "type": "audio/mp4",
        }),
    )
    .with(|fields| {
        fields.thread = Some(opening);
        fields.time = TIME.plus(30);
        fields.refs = vec![reference("renders", with_pictures)];
        fields.blobs = vec![BlobRef { id: BlobId([0xb4; 32]), size: 70_000 }];
    });
    vec![
        thread,
        bare,
        post,
        pictures,
        rendition,
        full,
        edit,
        edit_opening,
        delete,
        profile,
        profile_about,
        follow,
        follow_ended,
        unknown,
        unknown_list,
    ]
}

/// A signed sample by its name.
pub(super) fn event(name: &str) -> Event {
    let samples = events();
    let sample = samples.iter().find(|sample| sample.name == name).expect("a sample of this name");
    Event::decode(&sample.signed().bytes, &Default::default()).expect("samples are events")
}

/// Every frame.
pub(super) fn frames() -> Vec<(&'static str, Frame)> {
    let name = |name: &str| BoardName::new(name).expect("a board name");
    let ids = vec![event("thread").id(), event("post").id()];
    let bytes = |name: &str| ByteBuf::from(event(name).bytes().to_vec());
    let hello =
        |role, agent: &str, window| Hello { v: 1, role, agent: agent.to_owned(), window, producer: None };
    let reconcile = |call, scope| Frame::Reconcile { call, scope, message: vec![0x61, 0, 0, 2, 0] };
    vec![
        ("hello-tab", Frame::Hello(hello(Role::Tab, "chanterelle 0.1.0", 32))),
        ("hello-relay", Frame::Hello(hello(Role::Relay, "", 0))),
        (
            "hello-producer",
            Frame::Hello(Hello {
                producer: Some(SecretKey::from_seed([7; 32]).public()),
                ..hello(Role::Relay, "chanterelle 0.1.0", 32)
            }),
        ),
        ("interest-all", Frame::Interest { all: true, boards: Vec::new() }),
        ("interest-boards", Frame::Interest { all: false, boards: vec![mushrooms(), BoardId([0xb0; 32])] }),
        ("directory", Frame::Directory { names: vec![name("mushrooms"), name("0")] }),
        ("events-none", Frame::Events { n: 1, events: Vec::new() }),
        ("events", Frame::Events { n: 300, events: vec![bytes("thread"), bytes("post")] }),
        (
            "events-long",
            Frame::Events { n: 2, events: events().iter().map(|sample| bytes(sample.name)).collect() },
        ),
        ("ack", Frame::Ack { ids: ids.clone() }),
        ("credit", Frame::Credit { frames: 65_536 }),
        ("want", Frame::Want { ids: ids.clone() }),
        ("graft", Frame::Graft { ids: ids.clone() }),
        ("prune", Frame::Prune { boards: vec![mushrooms()] }),
        ("withheld", Frame::Withheld { ids }),
        ("reconcile-board", reconcile(1, Scope::Board(mushrooms()))),
        ("reconcile-thread", reconcile(2, Scope::Thread(event("thread").id()))),
        ("reconcile-author", reconcile((1 << 53) - 1, Scope::Author(event("profile").fields().author))),
        ("reconciled", Frame::Reconciled { call: 1, message: vec![0x61] }),
        ("find", Frame::Find { slots: vec![record().slot(), Slot([0xd0; 32])] }),
        ("reach-none", Frame::Reach { records: Vec::new(), missing: Vec::new() }),
        (
            "reach",
            Frame::Reach {
                records: vec![ByteBuf::from(record().bytes().to_vec())],
                missing: vec![Slot([0xd0; 32])],
            },
        ),
        ("bye", Frame::Bye { reason: "the peer speaks another version".to_owned() }),
        ("have", Frame::Have { ids: vec![event("thread").id(), event("post").id()] }),
        ("lazy", Frame::Lazy { boards: vec![mushrooms()] }),
        ("seek", Frame::Seek { boards: Vec::new() }),
        ("seek-boards", Frame::Seek { boards: vec![mushrooms()] }),
        ("shuffle", Frame::Shuffle { records: vec![ByteBuf::from(peer_record().bytes().to_vec())] }),
        ("peers", Frame::Peers { records: vec![ByteBuf::from(peer_record().bytes().to_vec())] }),
    ]
}

/// The seed of whoever makes the codes and the record.
pub(super) const INVITER: [u8; 32] = [5; 32];

/// What their codes carry.
pub(super) const REACH: ReachSecret = ReachSecret([0x5e; 16]);

/// `/dns4/relay.example/tcp/443/tls/ws`.
pub(super) fn relay_address() -> Address {
    let host = b"relay.example";
    let parts: [&[u8]; 4] = [&[0x36, 13], host, &[0x06, 0x01, 0xbb], &[0xc0, 0x03, 0xdd, 0x03]];
    Address::new(&parts.concat()).expect("the length of an address")
}

/// Friend codes, with and without what may be absent.
pub(super) fn codes() -> Vec<(&'static str, FriendCode)> {
    let bare = FriendCode::new(SecretKey::from_seed(INVITER).public(), REACH);
    let full = FriendCode {
        name: Some("Füngus".to_owned()),
        relays: vec![relay_address(), Address::new(&[0x04, 127, 0, 0, 1]).expect("the length of an address")],
        board: Some(BoardName::new("mushrooms").expect("a board name")),
        key: Some(ByteArray::new([0x4e; 32])),
        expires: Some(TIME.plus(86_400)),
        ..bare.clone()
    };
    vec![("code-bare", bare), ("code-full", full)]
}

pub(super) const NONCE: [u8; 12] = [0x17; 12];

pub(super) fn place() -> Place {
    Place { peer: PeerId([0x9e; 32]), relays: vec![relay_address()] }
}

/// A reach record.
pub(super) fn record() -> ReachRecord {
    ReachRecord::make(&SecretKey::from_seed(INVITER), &REACH, place(), TIME, NONCE)
}

/// The seed of the peer whose record it is.
pub(super) const PEER: [u8; 32] = [6; 32];

pub(super) fn peer_key() -> SecretKey {
    SecretKey::from_seed(PEER)
}

/// Where a peer can be asked for: the address of a relay with its id, and another.
pub(super) fn peer_record() -> PeerRecord {
    let id = [&[0xa5, 0x03, 38, 0, 36, 8, 1, 18, 32][..], &[0x9e; 32]].concat();
    let with_id =
        Address::new(&[relay_address().as_bytes(), &id].concat()).expect("the length of an address");
    let key = peer_key();
    let peer = PeerId(key.public().0);
    PeerRecord::make(peer, vec![with_id, relay_address()], TIME, |hash| key.sign_hash(hash).0)
}

/// Offer and answer of a direct connection, both of that peer; the answer is to the offer.
pub(super) fn connect_codes() -> Vec<(&'static str, ConnectCode)> {
    let candidate = |kind, address: &str, port| Candidate { kind, address: address.to_owned(), port };
    let offer = ConnectCode {
        half: Half::Offer,
        peer: PeerId(peer_key().public().0),
        description: Description {
            ufrag: "ab+/".to_owned(),
            pwd: "0123456789abcdefghijklmn".to_owned(),
            fingerprint: ByteArray::new([0xf1; 32]),
            candidates: vec![
                candidate(CandidateKind::Host, "3f2504e0-4f89-41d3-9a0c-0305e82c3301.local", 65_535),
                candidate(CandidateKind::Srflx, "192.0.2.1", 50_001),
                candidate(CandidateKind::Relay, "2001:db8::1", 1),
            ],
        },
    };
    let (_, hash) = offer.clone().sign(|hash| peer_key().sign_hash(hash).0);
    let mut answer = ConnectCode { half: Half::Answer(hash), ..offer.clone() };
    answer.description.candidates.clear();
    vec![("connect-offer", offer), ("connect-answer", answer)]
}

/// Rows of the local index, with and without what may be absent.
pub(super) fn rows() -> Vec<(&'static str, Row)> {
    let seen = TIME.plus(5);
    let sent = Row { sent: true, ..Row::of(&event("thread"), seen, true) };
    let marks = Marks { pinned: true, followed: false, withheld: true };
    let roles = [Rel::Answers, Rel::Quotes, Rel::Edits, Rel::Deletes, Rel::Other];
    let refs = roles.into_iter().zip(1..).map(|(rel, n)| (rel, EventId([n; 32]))).collect();
    vec![
        ("thread", Row::of(&event("thread"), seen, false)),
        ("thread-own", Row::of(&event("thread"), seen, true)),
        ("thread-own-sent", sent),
        ("thread-bare", Row::of(&event("thread-bare"), seen, false)),
        ("post", Row::of(&event("post"), seen, false)),
        ("post-full", Row::of(&event("post-full"), seen, false)),
        ("post-files", Row::of(&event("post-files"), seen, false)),
        ("rendition", Row::of(&event("rendition"), seen, false)),
        ("edit", Row::of(&event("edit"), seen, false)),
        ("delete", Row::of(&event("delete"), seen, false)),
        ("profile", Row::of(&event("profile-about"), seen, true)),
        ("follow", Row::of(&event("follow"), seen, true)),
        ("follow-ended", Row::of(&event("follow-ended"), seen, false)),
        ("unknown-kind", Row::of(&event("unknown-kind"), Seconds(1 << 52), false)),
        ("every-role", Row { refs, ..Row::of(&event("post"), seen, false) }),
        ("marked", Row { marks, ..Row::of(&event("post"), seen, false) }),
    ]
}
