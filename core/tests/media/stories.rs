//! How blobs cross a network, told as stories: who lies, who leaves, who is slow, who trades.

use std::collections::BTreeSet;

use chanterelle_core::base::BlobId;
use chanterelle_core::media::exchange::{CloseReason, Input, MediaStream, Priority};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::net::{Net, peer};
use super::tree::{Held, content};

const MB: u64 = 1_000_000;

fn blob(size: usize) -> Held {
    Held::new(content(size))
}

#[test]
fn a_video_crosses_though_one_lies_and_one_leaves() {
    let (mut net, video) = (Net::new(), blob(30_000_000));
    let sources = [net.join(2 * MB, 20), net.join(2 * MB, 30), net.join(2 * MB, 40)];
    sources.iter().for_each(|source| net.give(*source, &video));
    let viewer = net.join(MB, 20);
    net.nodes[sources[1]].is_liar = true;
    net.want(viewer, &video);
    let is_half = |net: &Net| {
        net.nodes[viewer].progress.get(&video.id).is_some_and(|(held, total, _)| held * 2 > *total)
    };
    net.run_until(30, is_half);
    net.leave(sources[0]);
    net.run_until(60, |net| net.is_complete(viewer, &video));
    assert_eq!(net.nodes[viewer].liars, BTreeSet::from([sources[1]]), "it was asked for the last group");
    assert!(net.nodes[viewer].came.len() == 3, "all three were asked");
    assert!(net.nodes[viewer].exchange.duplicate_bytes() < 3_000_000);
}

#[test]
fn a_liar_is_found_out_and_never_asked_again() {
    let (mut net, picture) = (Net::new(), blob(40_000));
    let liar = net.join(MB, 20);
    net.give(liar, &picture);
    net.nodes[liar].is_liar = true;
    let viewer = net.join(MB, 20);
    net.want(viewer, &picture);
    net.run_until(5, |net| net.nodes[viewer].liars.contains(&liar));
    assert_eq!(net.nodes[viewer].closed, [(liar, MediaStream::Ours, CloseReason::Liar)]);
    assert!(!net.nodes[viewer].storage.contains_key(&picture.id), "nothing of the slice was kept");
    let asked = net.nodes[viewer].asked[&liar].len();
    net.run(60_000);
    assert_eq!(net.nodes[viewer].closed.len(), 1, "no other stream is opened to it");
    assert_eq!(net.nodes[viewer].asked[&liar].len(), asked);
    net.tell(viewer, Input::Left(peer(liar)));
    net.tell(viewer, Input::Came(peer(liar)));
    net.run(60_000);
    assert_eq!(net.nodes[viewer].asked[&liar].len(), asked);
    // Somebody honest comes, and everything is well.
    let honest = net.join(MB, 20);
    net.give(honest, &picture);
    net.run_until(5, |net| net.is_complete(viewer, &picture));
}

/// Milliseconds until the blob is there from so many holders, each with an uplink of 500 KB/s.
fn time_with(holders: usize) -> u64 {
    let (mut net, video) = (Net::new(), blob(8_000_000));
    for _ in 0..holders {
        let holder = net.join(MB / 2, 25);
        net.give(holder, &video);
    }
    let viewer = net.join(MB, 25);
    net.want(viewer, &video);
    let begun = net.now;
    net.run_until(60, |net| net.is_complete(viewer, &video));
    net.now - begun
}

#[test]
fn two_throttled_holders_are_twice_as_fast_as_one() {
    let (one, two) = (time_with(1), time_with(2));
    assert!(one < 18_000, "{one} ms for 8 MB at 500 KB/s");
    assert!(two * 100 < one * 60, "{two} ms with two, {one} ms with one");
}

#[test]
fn a_fast_connection_is_filled() {
    let (mut net, video) = (Net::new(), blob(30_000_000));
    let holder = net.join(20 * MB, 25);
    net.give(holder, &video);
    let viewer = net.join(20 * MB, 25);
    net.want(viewer, &video);
    let begun = net.now;
    net.run_until(10, |net| net.is_complete(viewer, &video));
    assert!(net.now - begun < 2_200, "{} ms for 30 MB at 20 MB/s", net.now - begun);
}

#[test]
fn after_a_reload_only_the_rest_is_fetched() {
    let (mut net, video) = (Net::new(), blob(10_000_000));
    let holder = net.join(2 * MB, 25);
    net.give(holder, &video);
    let viewer = net.join(MB, 25);
    net.want(viewer, &video);
    let half = |net: &Net| {
        net.nodes[viewer].exchange.held(&video.id).is_some_and(|(_, groups)| groups.count() > 300)
    };
    net.run_until(10, half);
    let (_, groups) = net.nodes[viewer].exchange.held(&video.id).expect("half of it");
    let (missing, groups) = (u64::from(groups.total() - groups.count()), groups.clone());
    net.restart(viewer, 77);
    net.want(viewer, &video);
    net.run_until(10, |net| net.is_complete(viewer, &video));
    let asked = &net.nodes[viewer].asked[&holder];
    assert!(asked.iter().all(|(first, count)| (*first..first + count).all(|group| !groups.contains(group))));
    assert_eq!(asked.iter().map(|(_, count)| u64::from(*count)).sum::<u64>(), missing);
}

#[test]
fn three_who_fetch_the_same_trade() {
    let (mut net, video) = (Net::new(), blob(12_000_000));
    let seeder = net.join(MB, 25);
    net.give(seeder, &video);
    let viewers: Vec<usize> = (0..3).map(|_| net.join(2 * MB, 25)).collect();
    viewers.iter().for_each(|viewer| net.want(*viewer, &video));
    let begun = net.now;
    net.run_until(60, |net| viewers.iter().all(|viewer| net.is_complete(*viewer, &video)));
    let took = net.now - begun;
    // Alone the seeder would need 36 s.
    assert!(took < 24_000, "{took} ms");
    let from_others = |viewer: &usize| {
        net.nodes[*viewer]
            .came
            .iter()
            .filter(|(from, _)| **from != seeder)
            .map(|(_, bytes)| bytes)
            .sum::<u64>()
    };
    let traded: u64 = viewers.iter().map(from_others).sum();
    assert!(traded > 12_000_000, "{traded} bytes were traded");
}

#[test]
fn thumbnails_come_before_everything_else() {
    let mut net = Net::new();
    let holder = net.join(MB, 25);
    let (video, thumbnail) = (blob(5_000_000), blob(20_000));
    net.give(holder, &video);
    net.give(holder, &thumbnail);
    let viewer = net.join(MB, 25);
    net.want_as(viewer, &video, Priority::Background, &[]);
    net.run(2_000);
    net.want_as(viewer, &thumbnail, Priority::Thumbnail, &[]);
    let wanted = net.now;
    net.run_until(10, |net| net.is_complete(viewer, &thumbnail));
    assert!(net.now - wanted < 1_000, "{} ms", net.now - wanted);
    assert!(!net.is_complete(viewer, &video));
    net.run_until(10, |net| net.is_complete(viewer, &video));
}

#[test]
fn what_a_slow_one_is_late_with_another_gives() {
    let (mut net, video) = (Net::new(), blob(4_000_000));
    let (fast, slow) = (net.join(2 * MB, 20), net.join(10_000, 20));
    net.give(fast, &video);
    net.give(slow, &video);
    let viewer = net.join(MB, 20);
    net.want(viewer, &video);
    let begun = net.now;
    net.run_until(60, |net| net.is_complete(viewer, &video));
    // The slow one was asked for 256 KiB before anybody knew, for which it needs 26 s.
    assert!(net.now - begun < 5_000, "{} ms", net.now - begun);
    net.run(60_000);
    assert!(net.nodes[viewer].exchange.duplicate_bytes() <= 300_000);
}

#[test]
fn a_very_slow_one_gives_all_the_same() {
    let (mut net, picture) = (Net::new(), blob(200_000));
    let slow = net.join(2_000, 20);
    net.give(slow, &picture);
    let viewer = net.join(MB, 20);
    net.want(viewer, &picture);
    net.run_until(400, |net| net.is_complete(viewer, &picture));
}

#[test]
fn who_does_not_answer_is_left_alone() {
    let (mut net, picture) = (Net::new(), blob(200_000));
    let (deaf, other) = (net.join(MB, 20), net.join(MB, 20));
    net.nodes[deaf].is_deaf = true;
    net.give(deaf, &picture);
    let viewer = net.join(MB, 20);
    net.want(viewer, &picture);
    net.run(10_000);
    net.give(other, &picture);
    net.run_until(30, |net| net.is_complete(viewer, &picture));
}

#[test]
fn who_answers_nothing_is_asked_anew() {
    let (mut net, picture) = (Net::new(), blob(200_000));
    let holder = net.join(MB, 20);
    net.nodes[holder].is_deaf = true;
    net.give(holder, &picture);
    let viewer = net.join(MB, 20);
    net.want(viewer, &picture);
    net.run(10_000);
    net.nodes[holder].is_deaf = false;
    net.run_until(60, |net| net.is_complete(viewer, &picture));
    assert_eq!(net.nodes[viewer].closed, [(holder, MediaStream::Ours, CloseReason::Stalled)]);
}

#[test]
fn who_answers_nothing_is_asked_anew_for_something_else() {
    // As much is asked of it as may be before anything is known, so that nothing else can be.
    let (mut net, picture, other) = (Net::new(), blob(600_000), blob(150_000));
    let holder = net.join(MB, 20);
    net.nodes[holder].is_deaf = true;
    net.give(holder, &picture);
    net.give(holder, &other);
    let viewer = net.join(MB, 20);
    net.want(viewer, &picture);
    net.run(5_000);
    net.tell(viewer, Input::Unwant(picture.id));
    net.want(viewer, &other);
    net.run(5_000);
    net.nodes[holder].is_deaf = false;
    net.run_until(60, |net| net.is_complete(viewer, &other));
    assert_eq!(net.nodes[viewer].closed, [(holder, MediaStream::Ours, CloseReason::Stalled)]);
}

#[test]
fn an_event_that_lies_about_the_size_undoes_nothing() {
    let (mut net, picture) = (Net::new(), blob(3_000_000));
    let holder = net.join(MB, 20);
    net.give(holder, &picture);
    let viewer = net.join(MB, 20);
    let lie = lie(&picture, 100_000);
    // Before anything is there, and in the middle.
    net.want(viewer, &lie);
    net.run(1_000);
    net.want(viewer, &picture);
    net.run(2_000);
    net.want(viewer, &lie);
    net.run_until(10, |net| net.is_complete(viewer, &picture));
    let came: u64 = net.nodes[viewer].came.values().sum();
    assert!(came < 3_100_000, "{came} bytes for 3 MB");
    // All of it is there, whatever anybody says.
    net.nodes[viewer].complete.clear();
    net.want(viewer, &lie);
    assert!(net.is_complete(viewer, &picture));
}

#[test]
fn a_full_disk_is_tried_again() {
    let (mut net, picture) = (Net::new(), blob(200_000));
    let holder = net.join(MB, 20);
    net.give(holder, &picture);
    let viewer = net.join(MB, 20);
    net.nodes[viewer].is_full = true;
    net.want(viewer, &picture);
    net.run(40_000);
    assert!(net.nodes[viewer].asked[&holder].len() < 20, "it is not asked for at full speed");
    net.nodes[viewer].is_full = false;
    net.run_until(20, |net| net.is_complete(viewer, &picture));
}

#[test]
fn what_is_forgotten_is_neither_given_nor_fetched() {
    let (mut net, picture) = (Net::new(), blob(3_000_000));
    let holder = net.join(MB / 2, 20);
    net.give(holder, &picture);
    let viewer = net.join(MB, 20);
    net.want(viewer, &picture);
    net.run(2_000);
    net.tell(holder, Input::Forget(picture.id));
    net.run(5_000);
    let held = |net: &Net| net.nodes[viewer].exchange.held(&picture.id).map(|(_, groups)| groups.count());
    let before = held(&net).expect("some of it");
    assert_eq!(net.nodes[viewer].progress[&picture.id].2, 0, "it is known that nobody holds it");
    net.run(60_000);
    assert_eq!(held(&net), Some(before));
    net.give(holder, &picture);
    net.run_until(20, |net| net.is_complete(viewer, &picture));
    net.tell(viewer, Input::Forget(picture.id));
    net.run(60_000);
    assert_eq!(held(&net), None);
}

/// Of one blob by other sizes.
fn lie(about: &Held, size: usize) -> Held {
    let other = blob(size);
    Held { id: about.id, content: other.content, outboard: other.outboard }
}

#[test]
fn the_holders_choose_among_the_sizes_that_events_say() {
    let (mut net, picture) = (Net::new(), blob(3_000_000));
    let viewer = net.join(MB, 20);
    // Before and behind the true one, and one that a deaf peer says, too.
    [1, 40_000].iter().for_each(|size| net.want(viewer, &lie(&picture, *size)));
    net.want(viewer, &picture);
    (0..5).for_each(|size| net.want(viewer, &lie(&picture, 10 + size)));
    net.want(viewer, &picture);
    let (deaf, holder) = (net.join(MB, 20), net.join(MB, 20));
    net.nodes[deaf].is_deaf = true;
    net.give(deaf, &lie(&picture, 1));
    net.run(10_000);
    net.give(holder, &picture);
    net.run_until(60, |net| net.is_complete(viewer, &picture));
    assert!(net.nodes[viewer].liars.is_empty());
}

#[test]
fn a_lie_about_the_size_is_found_out_by_the_last_group() {
    let (mut net, picture) = (Net::new(), blob(3_000_000));
    let viewer = net.join(MB, 20);
    // Its first half verifies as that of the picture does.
    let mut longer = picture.content.clone();
    longer.extend_from_slice(&[0; 10]);
    let mut lie = Held::new(longer);
    lie.id = picture.id;
    let liar = net.join(MB, 20);
    net.give(liar, &lie);
    net.want(viewer, &lie);
    net.want(viewer, &picture);
    net.run(5_000);
    assert_eq!(net.nodes[viewer].liars, BTreeSet::from([liar]));
    let holder = net.join(MB, 20);
    net.give(holder, &picture);
    net.run(2_000);
    assert!(net.nodes[viewer].exchange.held(&picture.id).is_some());
    // Nobody undoes what came, though nobody is left who holds it.
    net.leave(holder);
    let other = net.join(MB, 20);
    net.give(other, &lie);
    net.run(5_000);
    let (size, groups) = net.nodes[viewer].exchange.held(&picture.id).expect("what came");
    assert!(size == picture.size() && groups.contains(groups.total() - 1));
    assert!(!net.nodes[viewer].asked.contains_key(&other));
}

#[test]
fn another_size_is_not_fetched() {
    let (mut net, picture) = (Net::new(), blob(200_000));
    let holder = net.join(MB, 20);
    net.give(holder, &picture);
    let viewer = net.join(MB, 20);
    net.want(viewer, &lie(&picture, 100_000));
    net.run(60_000);
    assert!(net.nodes[viewer].asked.is_empty() && net.nodes[viewer].liars.is_empty());
}

#[test]
fn watching_counts_and_fetches_nothing() {
    let (mut net, picture) = (Net::new(), blob(200_000));
    for _ in 0..3 {
        let holder = net.join(MB, 20);
        net.give(holder, &picture);
    }
    let viewer = net.join(MB, 20);
    net.tell(viewer, Input::Watch(vec![picture.id]));
    net.run_until(5, |net| {
        net.nodes[viewer].progress.get(&picture.id).is_some_and(|(_, _, holders)| *holders == 3)
    });
    net.leave(0);
    net.run_until(5, |net| net.nodes[viewer].progress[&picture.id].2 == 2);
    assert!(net.nodes[viewer].asked.is_empty());
    net.tell(viewer, Input::Watch(Vec::new()));
    net.run_until(60, |net| net.nodes[viewer].closed.len() == 2);
    assert!(net.nodes[viewer].closed.iter().all(|(_, _, reason)| *reason == CloseReason::Idle));
}

#[test]
fn among_many_those_are_asked_who_probably_know_then_some_in_turn() {
    let (mut net, picture, rare) = (Net::new(), blob(100_000), blob(50_000));
    let relay = net.add(MB, 20);
    for _ in 0..60 {
        let tab = net.add(MB, 20);
        net.meet(relay, tab);
    }
    net.give(40, &picture);
    net.want_as(relay, &picture, Priority::Background, &[40]);
    net.run_until(5, |net| net.is_complete(relay, &picture));
    assert!(net.nodes[relay].opened.len() <= 9, "{:?}", net.nodes[relay].opened);
    let asked: BTreeSet<usize> = net.nodes[relay].opened.clone();
    let holder = (1..=60).rev().find(|tab| !asked.contains(tab)).expect("most were not asked");
    net.give(holder, &rare);
    net.want(relay, &rare);
    net.run_until(90, |net| net.is_complete(relay, &rare));
}

#[test]
fn who_has_nothing_more_to_give_does_not_end_the_search() {
    let (mut net, video) = (Net::new(), blob(300_000));
    let relay = net.add(MB, 20);
    for _ in 0..60 {
        let tab = net.add(MB, 20);
        net.meet(relay, tab);
    }
    net.give_some(1, &video, 0..5);
    net.give(2, &lie(&video, 100_000));
    net.want_as(relay, &video, Priority::Background, &[1, 2]);
    net.run(8_000);
    assert_eq!(net.nodes[relay].exchange.held(&video.id).map(|(_, groups)| groups.count()), Some(5));
    assert_eq!(net.nodes[relay].progress[&video.id].2, 2, "both say that they hold it");
    let asked: BTreeSet<usize> = net.nodes[relay].opened.clone();
    let holder = (1..=60).rev().find(|tab| !asked.contains(tab)).expect("most were not asked");
    net.give(holder, &video);
    net.run_until(90, |net| net.is_complete(relay, &video));
}

#[test]
fn more_wants_than_places_all_come() {
    let mut net = Net::new();
    let holder = net.join(MB, 20);
    let viewer = net.join(MB, 20);
    let nowhere: Vec<Held> = (0..400).map(|at| blob(1 + at)).collect();
    let there: Vec<Held> = (0..100).map(|at| blob(1_000 + at)).collect();
    nowhere.iter().for_each(|held| net.want(viewer, held));
    there.iter().for_each(|held| net.give(holder, held));
    there.iter().for_each(|held| net.want_as(viewer, held, Priority::Background, &[]));
    net.run_until(120, |net| there.iter().all(|held| net.is_complete(viewer, held)));
    let ids: BTreeSet<BlobId> = there.iter().map(|held| held.id).collect();
    assert_eq!(net.nodes[viewer].complete.keys().copied().collect::<BTreeSet<_>>(), ids);
}
