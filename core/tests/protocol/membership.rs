//! Membership: peer records that are none, who is told of whom, and laws of whom to dial.

use std::collections::{BTreeMap, BTreeSet};

use chanterelle_core::base::{AuthorId, BoardId, Instant, Now, PeerId, Seconds};
use chanterelle_core::crypto::{Rng, SecretKey, Signature, peer_record_hash, verify};
use chanterelle_core::gossip::{
    PEER_RECORD_BYTES, PassiveView, PeerRecord, PeerRecordError, RECORD_RELAYS, Readers, Source, Wanted,
};
use chanterelle_core::invite::{ADDRESS_BYTES, Address};
use ipld_core::ipld;
use ipld_core::ipld::Ipld;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde_bytes::{ByteArray, Bytes};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::kit::{Map, cbor, key};
use super::samples::{self, TIME};
use super::strategies::{damage, damaged, laws};

/// A record of whatever bytes, signed by `key`.
fn signed(unsigned: &[u8], key: &SecretKey) -> Vec<u8> {
    let signature = key.sign_hash(&peer_record_hash(unsigned));
    let pair = (Bytes::new(unsigned), ByteArray::new(signature.0));
    serde_ipld_dagcbor::to_vec(&pair).expect("bytes encode")
}

fn fields(key: &SecretKey) -> Map {
    let fields = ipld!({
        "v": 1,
        "peer": Ipld::Bytes(key.public().0.to_vec()),
        "time": 1,
        "relays": [Ipld::Bytes(vec![4; 8])],
    });
    match fields {
        Ipld::Map(fields) => fields,
        _ => unreachable!("a map was written"),
    }
}

fn changed(change: impl FnOnce(&mut Map)) -> Vec<u8> {
    let mut fields = fields(&key(1));
    change(&mut fields);
    signed(&cbor(&Ipld::Map(fields)), &key(1))
}

fn with(name: &str, value: Ipld) -> Vec<u8> {
    changed(|fields| drop(fields.insert(name.to_owned(), value)))
}

fn address(n: u8) -> Address {
    Address::new(&[n]).expect("the length of an address")
}

#[test]
fn what_a_record_holds_is_held_to_its_rules() {
    assert!(PeerRecord::read(&changed(|_| {})).is_ok(), "the record to be changed is good");
    assert!(PeerRecord::read(&with("relays", ipld!([]))).is_ok(), "nowhere");
    let addresses = |length: usize, count: usize| Ipld::List(vec![Ipld::Bytes(vec![4; length]); count]);
    assert!(PeerRecord::read(&with("relays", addresses(ADDRESS_BYTES, RECORD_RELAYS))).is_ok());
    for (what, bytes) in [
        ("version 2", with("v", ipld!(2))),
        ("version 0", with("v", ipld!(0))),
        ("a field more", with("name", ipld!("x"))),
        ("no peer", changed(|fields| drop(fields.remove("peer")))),
        ("no time", changed(|fields| drop(fields.remove("time")))),
        ("no relays", changed(|fields| drop(fields.remove("relays")))),
        ("a short peer", with("peer", Ipld::Bytes(vec![1; 31]))),
        ("a time before all", with("time", Ipld::Integer(-1))),
        ("a relay in words", with("relays", ipld!(["relay.example"]))),
        ("an empty address", with("relays", addresses(0, 1))),
        ("a long address", with("relays", addresses(ADDRESS_BYTES + 1, 1))),
        ("too many relays", with("relays", addresses(8, RECORD_RELAYS + 1))),
        ("too deep", with("relays", ipld!([[[]]]))),
        ("a list", signed(&cbor(&ipld!([1])), &key(1))),
        ("nothing", signed(&[], &key(1))),
        ("no bytes", Vec::new()),
        ("one string", cbor(&ipld!([Ipld::Bytes(vec![1; 8])]))),
        ("three strings", cbor(&Ipld::List(vec![Ipld::Bytes(vec![1; 64]); 3]))),
        ("a byte behind", [changed(|_| {}), vec![0]].concat()),
    ] {
        assert_eq!(PeerRecord::read(&bytes), Err(PeerRecordError::Form), "{what}");
    }
}

#[test]
fn a_record_has_one_form() {
    let good = cbor(&Ipld::Map(fields(&key(1))));
    let version = good.windows(3).position(|part| part == [0x61, b'v', 0x01]).expect("the version");
    // The same value in a longer form, and keys in another order: signed, and still no record.
    let longer = [&good[..version + 2], &[0x18, 0x01], &good[version + 3..]].concat();
    let order = [&[0xa4], &good[version + 3..], &good[version..version + 3]].concat();
    for unsigned in [longer, order] {
        assert_eq!(PeerRecord::read(&signed(&unsigned, &key(1))), Err(PeerRecordError::Form));
    }
}

#[test]
fn a_record_is_too_long_beyond_a_limit_even_if_it_is_one() {
    let relays = vec![Address::new(&[4; ADDRESS_BYTES]).expect("the length of an address"); 9];
    let key = samples::peer_key();
    let record =
        PeerRecord::make(PeerId(key.public().0), relays, Seconds(1 << 52), |hash| key.sign_hash(hash).0);
    assert_eq!(record.relays().len(), RECORD_RELAYS, "those that come first");
    assert!(record.bytes().len() <= PEER_RECORD_BYTES);
    assert_eq!(PeerRecord::read(record.bytes()).as_ref(), Ok(&record));
    assert_eq!(PeerRecord::read(&vec![0x40; PEER_RECORD_BYTES + 1]), Err(PeerRecordError::Form));
}

#[test]
fn nobody_speaks_for_another_peer() {
    let (mine, theirs) = (key(1), key(2));
    for (named, signer) in [(&mine, &theirs), (&theirs, &mine)] {
        let bytes = signed(&cbor(&Ipld::Map(fields(named))), signer);
        assert_eq!(PeerRecord::read(&bytes), Err(PeerRecordError::Signature));
    }
    // Bytes that are no key at all.
    let mut nobody = fields(&mine);
    nobody.insert("peer".to_owned(), Ipld::Bytes([&[2][..], &[0; 31]].concat()));
    let bytes = signed(&cbor(&Ipld::Map(nobody)), &mine);
    assert_eq!(PeerRecord::read(&bytes), Err(PeerRecordError::Signature));
    // What the key has signed for another purpose.
    let unsigned = cbor(&Ipld::Map(fields(&mine)));
    let signature = mine.sign_hash(&chanterelle_core::crypto::reach_record_hash(&unsigned));
    let pair = (Bytes::new(&unsigned), ByteArray::new(signature.0));
    let bytes = serde_ipld_dagcbor::to_vec(&pair).expect("bytes encode");
    assert_eq!(PeerRecord::read(&bytes), Err(PeerRecordError::Signature));
}

/// The rule for authors: else anybody could make records of such a peer.
#[test]
fn a_key_for_which_anyone_can_sign_is_nobodys() {
    let identity = [&[1][..], &[0; 31]].concat();
    // With A the neutral element, so are R and S: [S]B = R + [k]A whatever k is.
    let forged = |peer: &[u8]| {
        let mut fields = fields(&key(1));
        fields.insert("peer".to_owned(), Ipld::Bytes(peer.to_vec()));
        let unsigned = cbor(&Ipld::Map(fields));
        let signature = Signature([identity.as_slice(), &[0; 32]].concat().try_into().expect("64 bytes"));
        let author = AuthorId(peer.try_into().expect("32 bytes"));
        assert_eq!(verify(&author, &peer_record_hash(&unsigned), &signature), Ok(()));
        let pair = (Bytes::new(&unsigned), ByteArray::new(signature.0));
        serde_ipld_dagcbor::to_vec(&pair).expect("bytes encode")
    };
    // The same point, not as it is to be written: y is p + 1.
    let alias = [&[0xee][..], &[0xff; 30], &[0x7f]].concat();
    for peer in [identity.clone(), alias] {
        assert_eq!(PeerRecord::read(&forged(&peer)), Err(PeerRecordError::Form));
    }
}

#[test]
fn no_part_of_a_record_can_be_missing_or_another() {
    let good = samples::peer_record().bytes().to_vec();
    assert!(PeerRecord::read(&good).is_ok());
    for at in 0..good.len() {
        assert!(PeerRecord::read(&good[..at]).is_err(), "cut at {at}");
        for bit in [0x01, 0x10, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            assert!(PeerRecord::read(&bytes).is_err(), "bit {bit:#x} of byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(laws(256))]

    #[test]
    fn any_bytes_can_be_read(bytes in vec(any::<u8>(), 0..900), damage in damage()) {
        prop_assert!(PeerRecord::read(&bytes).is_err());
        let good = samples::peer_record().bytes().to_vec();
        let bytes = damaged(&good, &damage);
        prop_assert_eq!(PeerRecord::read(&bytes).is_ok(), bytes == good);
        // Damage done before signing: what is read is what was signed, in its one form.
        let unsigned = damaged(&cbor(&Ipld::Map(fields(&key(1)))), &damage);
        if let Ok(record) = PeerRecord::read(&signed(&unsigned, &key(1))) {
            let relays = record.relays().to_vec();
            let sign = |hash: &[u8; 32]| key(1).sign_hash(hash).0;
            prop_assert_eq!(PeerRecord::make(record.peer(), relays, record.time(), sign), record);
        }
    }
}

/// The peer that has the candidates; half of all ids are higher.
const OWN: PeerId = PeerId([0x80; 32]);

/// Records of many peers, some lower than [`OWN`] and some higher. Made once: each costs a signature.
fn record(n: usize) -> PeerRecord {
    thread_local!(static RECORDS: Vec<PeerRecord> = (0..200).map(|n| later(n, 0)).collect());
    RECORDS.with(|records| records[n].clone())
}

/// The same made at another time, naming another relay.
fn later(n: usize, time: u64) -> PeerRecord {
    let mut seed = [0xcc; 32];
    seed[0] = u8::try_from(n).expect("below 256");
    let key = SecretKey::from_seed(seed);
    let relays = vec![address(u8::try_from(time).expect("below 256"))];
    PeerRecord::make(PeerId(key.public().0), relays, TIME.plus(time), |hash| key.sign_hash(hash).0)
}

fn id(n: usize) -> PeerId {
    record(n).peer()
}

fn seconds(seconds: u64) -> Instant {
    Instant(seconds * 1_000)
}

/// Later than anybody waits for the first attempt.
const SOON: Instant = Instant(10_000);

fn rng() -> Rng {
    Rng::new([7; 32])
}

/// The clock on the wall stands still at the time the records were made.
fn at(instant: Instant) -> Now {
    Now { instant, unix: TIME }
}

fn learn(candidates: &mut PassiveView, own: PeerId, record: PeerRecord, teller: PeerId, now: Instant) {
    candidates.learn(own, record, Source::Peer(teller), at(now));
}

/// Whom the candidates want dialled at a moment, with nothing heard of any.
fn all(candidates: &mut PassiveView, now: Instant) -> Vec<PeerId> {
    let mut rng = rng();
    core::iter::from_fn(|| candidates.next(Wanted::Anybody, &mut rng, now)).map(|(peer, _)| peer).collect()
}

#[test]
fn the_lower_dials_at_once_and_the_higher_only_later() {
    for n in 0..20 {
        let mut candidates = PassiveView::default();
        learn(&mut candidates, OWN, record(n), id(100), seconds(100));
        let waits = id(n) < OWN;
        let at = candidates.wake_at(Wanted::Anybody).expect("there is somebody");
        assert_eq!(at, seconds(if waits { 104 } else { 100 }));
        assert_eq!(all(&mut candidates, seconds(100)).is_empty(), waits);
        assert_eq!(all(&mut candidates, seconds(104)).is_empty(), !waits);
    }
    let friend = (id(0), vec![address(1)]);
    let mut candidates = PassiveView::default();
    candidates.friends_are(OWN, vec![friend], seconds(100));
    assert_eq!(all(&mut candidates, seconds(100)).is_empty(), id(0) < OWN, "with friends it is no other");
}

#[test]
fn nobody_dials_themselves_or_who_can_be_asked_for_nowhere() {
    let mut candidates = PassiveView::default();
    learn(&mut candidates, id(1), record(1), id(100), seconds(0));
    candidates.friends_are(id(1), vec![(id(1), vec![address(1)])], seconds(0));
    let key = samples::peer_key();
    let nowhere = PeerRecord::make(PeerId(key.public().0), Vec::new(), TIME, |hash| key.sign_hash(hash).0);
    learn(&mut candidates, OWN, nowhere, id(100), seconds(0));
    assert_eq!(all(&mut candidates, SOON), []);
    assert_eq!(candidates.wake_at(Wanted::Anybody), None);
}

#[test]
fn of_two_records_the_later_counts() {
    let mut candidates = PassiveView::default();
    for time in [5, 9, 7] {
        learn(&mut candidates, OWN, later(1, time), id(100), seconds(0));
    }
    let (_, relays) = candidates.next(Wanted::Anybody, &mut rng(), SOON).expect("one");
    assert_eq!(relays, [address(9)]);
    assert_eq!(candidates.next(Wanted::Anybody, &mut rng(), SOON), None);
}

#[test]
fn nobody_fills_the_table_alone() {
    let mut candidates = PassiveView::default();
    for n in 0..50 {
        learn(&mut candidates, OWN, record(n), id(199), seconds(0));
    }
    learn(&mut candidates, OWN, record(60), id(198), seconds(0));
    let dialled = all(&mut candidates, SOON);
    assert_eq!(dialled.len(), 10 + 1);
    assert!(dialled.contains(&id(60)));
    // Nobody who is being dialled makes room.
    learn(&mut candidates, OWN, record(61), id(199), seconds(0));
    assert_eq!(all(&mut candidates, SOON), []);

    // Many tellers fill it together.
    let mut candidates = PassiveView::default();
    for n in 0..150 {
        learn(&mut candidates, OWN, record(n), id(150 + n % 30), seconds(0));
    }
    assert_eq!(all(&mut candidates, SOON).len(), 30);
}

#[test]
fn who_failed_makes_room_first() {
    let mut candidates = PassiveView::default();
    for n in 0..10 {
        learn(&mut candidates, OWN, record(n), id(199), seconds(0));
    }
    assert_eq!(all(&mut candidates, SOON).len(), 10);
    for n in 0..10 {
        if n == 7 {
            candidates.failed(id(n), &mut rng(), SOON);
        }
        candidates.failed(id(n), &mut rng(), SOON);
    }
    learn(&mut candidates, OWN, record(30), id(199), SOON);
    let dialled = all(&mut candidates, seconds(100));
    assert_eq!(dialled.len(), 10);
    assert!(dialled.contains(&id(30)) && !dialled.contains(&id(7)));
}

#[test]
fn friends_come_first_and_leave_strangers_their_room() {
    let mut candidates = PassiveView::default();
    for n in 0..10 {
        learn(&mut candidates, OWN, record(n), id(199), seconds(0));
    }
    // More than there are places for strangers; one of them was a stranger before.
    let friends: Vec<(PeerId, Vec<Address>)> = (5..100).map(|n| (id(n), vec![address(1)])).collect();
    candidates.friends_are(OWN, friends, seconds(0));
    for n in 100..110 {
        learn(&mut candidates, OWN, record(n), id(198), seconds(0));
    }
    let dialled = all(&mut candidates, SOON);
    let is_friend = |peer: &PeerId| (5..100).any(|n| id(n) == *peer);
    assert!(dialled[..95].iter().all(is_friend), "friends first");
    assert_eq!(dialled.len(), 95 + 5 + 10);
    assert!(dialled[..95].iter().all(|peer| candidates.is_friend(peer)));
    assert!(!candidates.is_friend(&id(0)));
}

#[test]
fn friends_are_never_forgotten_until_they_are_none() {
    let mut candidates = PassiveView::default();
    let (mut rng, mut now) = (rng(), SOON);
    candidates.friends_are(OWN, vec![(id(1), vec![address(1)])], seconds(0));
    let mut waits = Vec::new();
    for _ in 0..40 {
        let (peer, _) =
            candidates.next(Wanted::Friends, &mut rng, now).expect("the friend, without room for strangers");
        candidates.failed(peer, &mut rng, now);
        let at = candidates.wake_at(Wanted::Friends).expect("it is tried again");
        assert_eq!(candidates.wake_at(Wanted::Nobody), None, "if there is room");
        waits.push(at.since(now).as_secs_f64());
        now = at;
    }
    for (attempt, wait) in waits.iter().enumerate() {
        let most = (5.0 * 2_f64.powi(i32::try_from(attempt).expect("few"))).min(600.0);
        assert!((most / 2.0..=most).contains(wait), "{waits:?}");
    }
    candidates.friends_are(OWN, Vec::new(), now);
    assert_eq!(all(&mut candidates, seconds(100_000)), []);
    assert!(!candidates.is_friend(&id(1)));
}

#[test]
fn a_stranger_who_fails_again_and_again_is_forgotten() {
    let mut candidates = PassiveView::default();
    let (mut rng, mut now, mut tries) = (rng(), SOON, 0);
    learn(&mut candidates, OWN, record(1), id(199), seconds(0));
    while let Some((peer, _)) = candidates.next(Wanted::Anybody, &mut rng, now) {
        tries += 1;
        candidates.failed(peer, &mut rng, now);
        now = candidates.wake_at(Wanted::Anybody).unwrap_or(now);
    }
    assert_eq!((tries, candidates.wake_at(Wanted::Anybody)), (5, None));
    learn(&mut candidates, OWN, record(1), id(199), now);
    assert_eq!(all(&mut candidates, seconds(100_000)), [id(1)], "told of again, it may be back");
}

#[test]
fn a_session_that_lasts_clears_a_name_and_a_brief_one_does_not() {
    for (lasts, tries) in [(9, 5), (10, 60)] {
        let mut candidates = PassiveView::default();
        let (mut rng, mut now, mut count) = (rng(), SOON, 0);
        learn(&mut candidates, OWN, record(1), id(199), seconds(0));
        while let Some((peer, _)) = candidates.next(Wanted::Anybody, &mut rng, now)
            && count < 60
        {
            count += 1;
            candidates.connected(&peer, now);
            now = Instant(now.0 + lasts * 1_000);
            candidates.gone(peer, &mut rng, now);
            now = candidates.wake_at(Wanted::Anybody).unwrap_or(now);
        }
        assert_eq!(count, tries, "sessions of {lasts} seconds");
    }
}

#[test]
fn lost_attempts_are_given_up() {
    let mut candidates = PassiveView::default();
    learn(&mut candidates, OWN, record(1), id(199), seconds(0));
    assert_eq!(all(&mut candidates, SOON), [id(1)]);
    assert_eq!((candidates.dialling(), candidates.wake_at(Wanted::Nobody)), (1, Some(seconds(50))));
    candidates.expire(&mut rng(), Instant(49_999));
    assert_eq!(candidates.dialling(), 1);
    candidates.expire(&mut rng(), seconds(50));
    assert_eq!(candidates.dialling(), 0);
    assert_eq!(all(&mut candidates, seconds(56)), [id(1)]);
}

/// Else those who are told of first, or who share most, would become an island.
#[test]
fn now_and_then_anybody_is_dialled() {
    let mut candidates = PassiveView::default();
    for n in 0..30 {
        learn(&mut candidates, OWN, record(n), id(190 + n % 10), seconds(0));
    }
    let mut rng = rng();
    let dialled: Vec<PeerId> = (0..12)
        .filter_map(|_| candidates.next(Wanted::Anybody, &mut rng, SOON))
        .map(|(peer, _)| peer)
        .collect();
    let in_turn = dialled.iter().filter(|peer| (0..12).any(|n| id(n) == **peer)).count();
    assert!((8..12).contains(&in_turn), "{in_turn} of 12 in turn");
}

/// Readers of boards that no neighbour reads are dialled when there is no room for others.
#[test]
fn who_reads_what_no_neighbour_does_comes_before_other_strangers() {
    let mut candidates = PassiveView::default();
    for n in 0..5 {
        learn(&mut candidates, OWN, record(n), id(199), seconds(0));
    }
    candidates.reads_missing(&id(3));
    candidates.reads_missing(&id(77));
    let mut rng = rng();
    let mut next = |wanted| candidates.next(wanted, &mut rng, SOON).map(|(peer, _)| peer);
    assert_eq!(next(Wanted::Friends), None);
    assert_eq!(next(Wanted::Missing), Some(id(3)));
    assert_eq!(next(Wanted::Missing), None);
    assert!(next(Wanted::Anybody).is_some());
}

/// Whoever came since the start has not put them there.
#[test]
fn old_neighbours_come_before_whom_others_tell_of() {
    let mut candidates = PassiveView::default();
    learn(&mut candidates, OWN, record(1), id(199), seconds(0));
    candidates.learn(OWN, record(2), Source::Anchor, at(seconds(0)));
    let next = candidates.next(Wanted::Anybody, &mut rng(), SOON);
    assert_eq!(next.map(|(peer, _)| peer), Some(id(2)));
}

#[test]
fn records_of_another_time_are_not_learnt_and_not_passed_on() {
    let mut candidates = PassiveView::default();
    let now = |unix| Now { instant: SOON, unix };
    let hour = Seconds(TIME.0 + 3_600);
    candidates.learn(OWN, record(1), Source::Peer(id(199)), now(hour.plus(1)));
    candidates.learn(OWN, record(2), Source::Peer(id(199)), now(Seconds(TIME.0 - 901)));
    assert_eq!(candidates.wake_at(Wanted::Anybody), None);
    candidates.learn(OWN, record(1), Source::Peer(id(199)), now(hour));
    candidates.learn(OWN, record(2), Source::Peer(id(199)), now(Seconds(TIME.0 - 900)));
    let told = |candidates: &PassiveView, unix| candidates.sample(id(50), 8, &mut rng(), unix).len();
    assert_eq!(told(&candidates, hour), 2);
    assert_eq!(told(&candidates, hour.plus(1)), 0);
}

#[test]
fn a_sample_is_of_others_and_each_time_another() {
    let mut candidates = PassiveView::default();
    for n in 0..30 {
        learn(&mut candidates, OWN, record(n), id(190 + n % 10), seconds(0));
    }
    let (mut rng, mut seen) = (rng(), BTreeSet::new());
    for _ in 0..50 {
        let sample = candidates.sample(id(3), 7, &mut rng, TIME);
        let peers: BTreeSet<PeerId> = sample.iter().map(PeerRecord::peer).collect();
        assert_eq!((sample.len(), peers.len()), (7, 7));
        seen.extend(peers);
    }
    assert_eq!(seen.len(), 29, "all but who is told");
    assert!(!seen.contains(&id(3)));
    assert_eq!(candidates.sample(id(3), 100, &mut rng, TIME).len(), 29);
}

#[derive(Clone, Debug)]
enum Act {
    Learn(usize, usize, u64),
    Friends(BTreeSet<usize>),
    Next(bool),
    Connected(usize),
    Gone(usize),
    Failed(usize),
    Pass(u64),
    Clear,
}

fn act() -> impl Strategy<Value = Act> {
    let who = || 0..30_usize;
    prop_oneof![
        8 => (who(), 0..4_usize, 0..3_u64).prop_map(|(who, teller, time)| Act::Learn(who, teller, time)),
        1 => btree_set(who(), 0..6).prop_map(Act::Friends),
        8 => any::<bool>().prop_map(Act::Next),
        4 => who().prop_map(Act::Connected),
        2 => who().prop_map(Act::Gone),
        3 => who().prop_map(Act::Failed),
        4 => prop_oneof![0..6_000_u64, 0..700_000_u64].prop_map(Act::Pass),
        1 => Just(Act::Clear),
    ]
}

proptest! {
    #![proptest_config(laws(256))]

    /// Whatever happens: nobody is dialled twice at a time, while connected, or as a stranger when there is no room for
    /// any; and whoever sleeps until the moment that is told misses nobody.
    #[test]
    fn whom_to_dial(acts in vec(act(), 0..120)) {
        let (mut candidates, mut rng, mut now) = (PassiveView::default(), rng(), SOON);
        let (mut dialling, mut connected) = (BTreeMap::new(), BTreeSet::new());
        let mut friends = BTreeSet::new();
        for act in acts {
            match act {
                Act::Learn(who, teller, time) => {
                    let record = if time == 0 { record(who) } else { later(who, time) };
                    learn(&mut candidates, OWN, record, id(190 + teller), now);
                }
                Act::Friends(who) => {
                    let now_friends: BTreeSet<PeerId> = who.iter().map(|n| id(*n)).collect();
                    for gone in friends.difference(&now_friends) {
                        dialling.remove(gone);
                        connected.remove(gone);
                    }
                    let places = now_friends.iter().map(|peer| (*peer, vec![address(1)])).collect();
                    candidates.friends_are(OWN, places, now);
                    friends = now_friends;
                }
                Act::Next(strangers) => {
                    candidates.expire(&mut rng, now);
                    dialling.retain(|_, since: &mut Instant| since.0 + 40_000 > now.0);
                    let wanted = if strangers { Wanted::Anybody } else { Wanted::Friends };
                    let wake = candidates.wake_at(wanted);
                    match candidates.next(wanted, &mut rng, now) {
                        Some((peer, relays)) => {
                            prop_assert!(wake.is_some_and(|at| at <= now), "it would have been slept through");
                            prop_assert!(!relays.is_empty());
                            prop_assert!(strangers || friends.contains(&peer));
                            prop_assert!(!connected.contains(&peer));
                            prop_assert!(dialling.insert(peer, now).is_none());
                        }
                        None => prop_assert!(wake.is_none_or(|at| at > now), "it would be woken for nothing"),
                    }
                }
                Act::Connected(who) => {
                    if dialling.remove(&id(who)).is_some() {
                        candidates.connected(&id(who), now);
                        connected.insert(id(who));
                    }
                }
                Act::Gone(who) => {
                    candidates.gone(id(who), &mut rng, now);
                    connected.remove(&id(who));
                }
                Act::Failed(who) => {
                    candidates.failed(id(who), &mut rng, now);
                    dialling.remove(&id(who));
                    connected.remove(&id(who));
                }
                Act::Pass(milliseconds) => now = Instant(now.0 + milliseconds),
                Act::Clear => {
                    candidates.clear(now);
                    dialling.clear();
                    connected.clear();
                }
            }
            prop_assert_eq!(candidates.dialling(), dialling.len());
        }
    }

    /// Against a naive twin: only readers of the same boards, the asker never, each once, those who share most among
    /// them, and a few.
    #[test]
    fn who_shares_boards(
        reading in vec((0..20_u8, btree_set(0..5_u8, 0..4), prop::bool::weighted(0.7)), 0..60),
        asker in 0..20_u8,
        boards in btree_set(0..5_u8, 0..5),
    ) {
        let peer = |n: u8| PeerId([n; 32]);
        let ids = |boards: &BTreeSet<u8>| boards.iter().map(|n| BoardId([*n; 32])).collect::<Vec<_>>();
        let (mut readers, mut naive) = (Readers::default(), BTreeSet::new());
        for (who, boards, reads) in &reading {
            readers.set(peer(*who), &ids(boards), *reads);
            for board in boards {
                if *reads { naive.insert((*board, *who)); } else { naive.remove(&(*board, *who)); }
            }
        }
        let told = readers.sharing(peer(asker), &ids(&boards), &mut rng());
        let mut shared: BTreeMap<u8, usize> = BTreeMap::new();
        for (_, who) in naive.iter().filter(|(board, who)| boards.contains(board) && *who != asker) {
            *shared.entry(*who).or_default() += 1;
        }
        prop_assert!(told.iter().all(|who| shared.contains_key(&who.0[0])), "{told:?}");
        prop_assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len());
        prop_assert_eq!(told.len(), shared.len().min(8));
        // Of no board are there more than are looked at here.
        let crowded = (0..5).any(|board| naive.iter().filter(|(of, who)| *of == board && *who != asker).count() > 16);
        if !crowded {
            let mut counts: Vec<usize> = shared.values().copied().collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            let best: Vec<usize> = told.iter().take(4).map(|who| shared[&who.0[0]]).collect();
            prop_assert_eq!(&best[..], &counts[..counts.len().min(4)]);
        }
        for (board, who) in naive {
            readers.set(peer(who), &[BoardId([board; 32])], false);
        }
        prop_assert_eq!(format!("{readers:?}"), format!("{:?}", Readers::default()), "nothing is left behind");
    }
}

#[test]
fn of_thousands_who_read_a_board_a_few_are_told_of_each_time_others() {
    let board = BoardId([1; 32]);
    let mut readers = Readers::default();
    let peer = |n: u32| PeerId(*blake3::hash(&n.to_le_bytes()).as_bytes());
    for n in 0..3_000 {
        readers.set(peer(n), &[board], true);
    }
    let mut rng = rng();
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let told = readers.sharing(peer(0), &[board], &mut rng);
        assert_eq!(told.len(), 8);
        seen.extend(told);
    }
    assert!(seen.len() > 1_000, "{} in 200 answers", seen.len());
    assert!(!seen.contains(&peer(0)));
}
