//! The storage in a real browser.

use std::cell::RefCell;
use std::time::Duration;

use chanterelle_core::media::tree::{Hashed, Node, Outboard, Verified, blob_id, slice, verify};
use futures_timer::Delay;
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;

/// A storage of its own for a test, empty.
async fn fresh(name: &str) -> Rc<Store> {
    let store = open(name).await;
    let ids: Vec<BlobId> = store.records.borrow().keys().copied().collect();
    for id in ids {
        store.remove(&id).await.expect("it can be removed");
    }
    store.tidy(async {}).await.expect("it can be tidied");
    assert_eq!(store.status(), StorageStatus::Kept);
    until_removed(&store, 0).await;
    store
}

async fn open(name: &str) -> Rc<Store> {
    Store::open(name, "test", |_| ()).await
}

/// Bytes without a pattern.
fn content(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

async fn write(store: &Rc<Store>, content: &[u8]) -> (BlobId, u64, bool) {
    let mut writer = Writer::new(store).await.expect("it can be opened");
    for part in content.chunks(7000) {
        writer.write(part).expect("it can be written");
    }
    writer.finish().await.expect("it can be stored")
}

async fn read(store: &Store, id: &BlobId) -> Vec<u8> {
    let blob = store.blob(id).await.expect("all of it is there");
    assert_eq!(blob.type_(), "application/octet-stream");
    let mut bytes = vec![0; blob.size() as usize];
    read_blob(&blob, 0, &mut bytes).expect("it can be read");
    bytes
}

fn hashed(content: &[u8]) -> Hashed {
    let mut tree = Outboard::new();
    tree.update(content);
    tree.finish()
}

/// Groups of a blob as they come from a peer.
fn groups(content: &[u8], first: u32, count: u32) -> Verified {
    let hashed = hashed(content);
    let begin = (u64::from(first) * 16384) as usize;
    let end = (begin + count as usize * 16384).min(content.len());
    let parent = |node: Node| *hashed.outboard[node.offset() as usize..].first_chunk().expect("it is there");
    let slice = slice(hashed.size, first, count, parent, &content[begin..end]).expect("they are there");
    verify(&hashed.id, hashed.size, first, count, &slice).expect("it was not changed")
}

async fn fill(store: &Store, content: &[u8], first: u32, count: u32) {
    let verified = groups(content, first, count);
    let id = blob_id(content);
    let size = content.len() as u64;
    store.write_groups(&id, size, first, &verified.data, &verified.parents).await.expect("it is expected");
}

/// Waits until something is so.
async fn until(what: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if what() {
            return;
        }
        Delay::new(Duration::from_millis(10)).await;
    }
    panic!("it never came");
}

#[wasm_bindgen_test]
async fn what_was_written_is_there_after_opening_again_and_only_once() {
    let store = fresh("test-written").await;
    let content = content(100_000, 1);
    let (id, size, is_new) = write(&store, &content).await;
    assert_eq!((id, size, is_new), (blob_id(&content), 100_000, true));
    assert_eq!(write(&store, &content).await, (id, size, false));
    drop(store);
    let store = open("test-written").await;
    assert_eq!(read(&store, &id).await, content);
    until_removed(&store, 2).await;
    assert_eq!(store.usage()[&Class::Own], Usage { blobs: 1, bytes: 100_000 });
    let slice = store.slice(&id, 2, 3).await.expect("it is held");
    let verified = verify(&id, size, 2, 3, &slice).expect("it is the blob's");
    assert_eq!(verified.data, &content[2 * 16384..5 * 16384]);
    assert_eq!(store.slice(&id, 6, 2).await, Err(StoreError::Missing));
}

/// Files that are removed by themselves are so soon.
async fn until_removed(store: &Store, count: usize) {
    for _ in 0..6_000 {
        if store.folder.names().await.expect("they can be listed").len() == count {
            return;
        }
        Delay::new(Duration::from_millis(10)).await;
    }
    panic!("{:?}", store.folder.names().await);
}

#[wasm_bindgen_test]
async fn what_is_given_up_leaves_nothing() {
    let store = fresh("test-given-up").await;
    let mut writer = Writer::new(&store).await.expect("it can be opened");
    writer.write(&content(5000, 2)).expect("it can be written");
    assert_eq!(store.folder.names().await.expect("they can be listed").len(), 1);
    drop(writer);
    until_removed(&store, 0).await;
    assert!(store.held().is_empty());
}

#[wasm_bindgen_test]
async fn groups_that_come_at_once_are_all_written() {
    let store = fresh("test-at-once").await;
    store.lead(true);
    let content = content(10 * 16384, 9);
    let id = blob_id(&content);
    store.expect(&id, content.len() as u64, Class::Strangers).await.expect("there is room");
    futures::join!(fill(&store, &content, 0, 4), fill(&store, &content, 4, 4), fill(&store, &content, 8, 2),);
    assert_eq!(store.commit(&id, content.len() as u64).await, Ok(true));
    assert_eq!(read(&store, &id).await, content);
}

#[wasm_bindgen_test]
async fn a_blob_in_part_survives_a_reload() {
    let store = fresh("test-part").await;
    store.lead(true);
    let content = content(10 * 16384 + 5, 3);
    let id = blob_id(&content);
    store.expect(&id, content.len() as u64, Class::Strangers).await.expect("there is room");
    fill(&store, &content, 4, 3).await;
    assert_eq!(store.commit(&id, content.len() as u64).await, Ok(false));
    // Written and not yet durable: that is not held.
    fill(&store, &content, 0, 1).await;
    drop(store);

    let store = open("test-part").await;
    store.lead(true);
    let (size, held) = store.held_of(&id).expect("it is remembered");
    assert_eq!((size, held.count(), held.covers(4, 3)), (content.len() as u64, 3, true));
    assert!(matches!(store.blob(&id).await, Err(StoreError::Missing)));
    let slice = store.slice(&id, 4, 3).await.expect("it is held");
    assert!(verify(&id, size, 4, 3, &slice).is_ok());
    assert_eq!(store.slice(&id, 3, 2).await, Err(StoreError::Missing));
    fill(&store, &content, 0, 4).await;
    fill(&store, &content, 7, 4).await;
    assert_eq!(store.commit(&id, content.len() as u64).await, Ok(true));
    assert_eq!(read(&store, &id).await, content);
    let slice = store.slice(&id, 0, 11).await.expect("it is held");
    assert!(verify(&id, size, 0, 11, &slice).is_ok());
    drop(store);
    let store = open("test-part").await;
    assert_eq!(read(&store, &id).await, content);
}

#[wasm_bindgen_test]
async fn two_tabs_share_what_they_have() {
    let leader = fresh("test-two").await;
    leader.lead(true);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let listening = heard.clone();
    let other =
        Store::open("test-two", "test", move |ids| listening.borrow_mut().extend_from_slice(ids)).await;
    let deaf = Store::open("test-two", "another build", |_| panic!("it is of another build")).await;

    // Whole ones either way.
    let first = content(40_000, 4);
    let (id, _, _) = write(&leader, &first).await;
    until(|| heard.borrow().contains(&id)).await;
    assert_eq!(read(&other, &id).await, first);
    assert_eq!(write(&other, &first).await, (id, 40_000, false));
    let second = content(50_000, 5);
    let (id, _, _) = write(&other, &second).await;
    until(|| leader.is_whole(&id)).await;
    // While it is given out it can be read here and there.
    for first in [0, 1, 3] {
        assert!(leader.slice(&id, first, 1).await.is_ok());
    }
    assert!(leader.readings.borrow().iter().any(|(open, _)| *open == id));
    assert_eq!(read(&leader, &id).await, second);
    assert_eq!(read(&other, &id).await, second);
    assert!(other.slice(&id, 0, 4).await.is_ok());

    // One that comes in part here is made whole there.
    let third = content(5 * 16384, 6);
    let id = blob_id(&third);
    leader.expect(&id, third.len() as u64, Class::Followed).await.expect("there is room");
    fill(&leader, &third, 0, 2).await;
    assert_eq!(leader.commit(&id, third.len() as u64).await, Ok(false));
    assert_eq!(write(&other, &third).await, (id, third.len() as u64, true));
    until(|| leader.is_whole(&id)).await;
    assert_eq!(read(&leader, &id).await, third);
    assert!(!heard.borrow().contains(&id), "of parts nothing is told");
    assert!(leader.slice(&id, 0, 5).await.is_ok());

    leader.remove(&id).await.expect("it can be removed");
    until(|| other.held_of(&id).is_none()).await;
    assert!(matches!(other.blob(&id).await, Err(StoreError::Missing)));
    drop(deaf);

    // Whoever leads next knows of what came in part.
    let fourth = content(6 * 16384, 15);
    let id = blob_id(&fourth);
    leader.expect(&id, fourth.len() as u64, Class::Followed).await.expect("there is room");
    fill(&leader, &fourth, 3, 2).await;
    assert_eq!(leader.commit(&id, fourth.len() as u64).await, Ok(false));
    leader.lead(false);
    other.lead(true);
    other.refresh().await.expect("it can be read");
    assert!(other.held_of(&id).is_some_and(|(_, held)| held.count() == 2 && held.covers(3, 2)));
    fill(&other, &fourth, 0, 3).await;
    fill(&other, &fourth, 5, 1).await;
    assert_eq!(other.commit(&id, fourth.len() as u64).await, Ok(true));
    until(|| leader.is_whole(&id)).await;
    assert_eq!(read(&leader, &id).await, fourth);
}

#[wasm_bindgen_test]
async fn rubbish_goes_and_what_is_being_written_stays() {
    let leader = fresh("test-tidy").await;
    let other = open("test-tidy").await;
    leader.folder.write("rubbish").await.expect("it can be opened").close();
    let kept = content(20_000, 7);
    let (kept_id, _, _) = write(&leader, &kept).await;
    let mut writer = Writer::new(&other).await.expect("it can be opened");
    let written = content(30_000, 8);
    writer.write(&written).expect("it can be written");
    let finished = RefCell::new(None);
    let meanwhile = content(25_000, 9);
    leader
        .tidy(async {
            // Between looking for files and looking for records.
            *finished.borrow_mut() = Some(write(&other, &meanwhile).await);
        })
        .await
        .expect("it can be tidied");
    let (id, _, _) = writer.finish().await.expect("nobody took it away");
    let (meanwhile_id, _, _) = finished.into_inner().expect("it was written");
    for (id, content) in [(id, &written), (kept_id, &kept), (meanwhile_id, &meanwhile)] {
        assert_eq!(&read(&other, &id).await, content);
    }
    assert!(!leader.folder.names().await.expect("they can be listed").contains(&"rubbish".to_owned()));
}

#[wasm_bindgen_test]
async fn a_draft_that_nobody_came_back_to_goes_and_what_a_post_refers_to_stays() {
    let store = fresh("test-drafts").await;
    let [(draft, ..), (posted, ..)] =
        [write(&store, &content(3000, 10)).await, write(&store, &content(3000, 11)).await];
    store.keep(&[posted], Class::Own).await.expect("it is here");
    for id in [draft, posted] {
        store.update(&id, |record| record.shown = 0).await.expect("it is here");
    }
    store.remove_draft(&posted).await.expect("nothing is removed");
    store.tidy(async {}).await.expect("it can be tidied");
    assert!(store.held_of(&draft).is_none() && store.is_whole(&posted));
    assert_eq!(store.folder.names().await.expect("they can be listed").len(), 2);
}

#[wasm_bindgen_test]
async fn classes_are_what_was_said() {
    let store = fresh("test-classes").await;
    let content = content(16384 * 3, 12);
    let id = blob_id(&content);
    let size = content.len() as u64;
    let class = |store: &Store| store.records.borrow()[&id].class;
    store.expect(&id, size, Class::Strangers).await.expect("there is room");
    store.expect(&id, size, Class::Followed).await.expect("there is room");
    store.keep(&[id], Class::Strangers).await.expect("it is here");
    assert_eq!(class(&store), Class::Followed);
    store.classify(&[id], Class::Strangers).await.expect("it is here");
    assert_eq!(class(&store), Class::Strangers);
    store.lead(true);
    fill(&store, &content, 1, 1).await;
    assert_eq!(store.commit(&id, size).await, Ok(false));
    assert_eq!(store.usage()[&Class::Strangers], Usage { blobs: 1, bytes: 16384 });
}

#[wasm_bindgen_test]
async fn what_is_written_by_another_size_begins_anew() {
    let store = fresh("test-sizes").await;
    store.lead(true);
    let whole = content(16384 * 3, 16);
    let (id, size) = (blob_id(&whole), whole.len() as u64);
    // Somebody lies about the size, and somebody else has the groups that verify all the same.
    store.expect(&id, size + 1, Class::Followed).await.expect("there is room");
    let verified = groups(&whole, 0, 1);
    store.write_groups(&id, size + 1, 0, &verified.data, &verified.parents).await.expect("it is expected");
    assert_eq!(store.commit(&id, size + 1).await, Ok(false));
    let held = |store: &Store| store.held_of(&id).map(|(size, groups)| (size, groups.count()));
    store.expect(&id, size, Class::Strangers).await.expect("there is room");
    assert_eq!(held(&store), Some((size + 1, 1)), "what is there stays until another size has come");
    fill(&store, &whole, 2, 1).await;
    assert_eq!(store.commit(&id, size + 1).await, Err(StoreError::Missing));
    assert_eq!(store.commit(&id, size).await, Ok(false));
    assert_eq!(held(&store), Some((size, 1)));
    fill(&store, &whole, 0, 2).await;
    assert_eq!(store.commit(&id, size).await, Ok(true));
    assert_eq!(read(&store, &id).await, whole);
}

#[wasm_bindgen_test]
async fn without_a_disk_it_is_in_memory_and_says_so() {
    let store = Store::in_memory(StoreError::Unavailable("a private window".to_owned()));
    assert!(matches!(store.status(), StorageStatus::MemoryOnly(why) if why.contains("a private window")));
    store.lead(true);
    let whole = content(50_000, 13);
    let (id, _, is_new) = write(&store, &whole).await;
    assert!(is_new && !write(&store, &whole).await.2);
    assert_eq!(read(&store, &id).await, whole);
    let part = content(4 * 16384, 14);
    let id = blob_id(&part);
    store.expect(&id, part.len() as u64, Class::Strangers).await.expect("there is room");
    fill(&store, &part, 2, 2).await;
    assert_eq!(store.commit(&id, part.len() as u64).await, Ok(false));
    assert!(store.slice(&id, 2, 2).await.is_ok());
    fill(&store, &part, 0, 2).await;
    assert_eq!(store.commit(&id, part.len() as u64).await, Ok(true));
    assert_eq!(read(&store, &id).await, part);
    store.remove(&id).await.expect("it can be removed");
    until_removed(&store, 2).await;
}

#[wasm_bindgen_test]
async fn a_full_disk_is_told_from_other_troubles() {
    let store = fresh("test-full").await;
    let file = store.folder.write("full").await.expect("it can be opened");
    // More than any browser allows.
    assert_eq!(file.write_at(1 << 50, &[1]), Err(StoreError::Full));
    assert!(matches!(store.folder.write("full").await, Err(StoreError::Failed(_))));
    file.close();
    assert!(matches!(store.folder.read("nothing").await, Err(StoreError::Missing)));
    store.folder.remove("full").await.expect("it can be removed");
}

#[wasm_bindgen_test]
async fn what_a_commit_could_not_say_the_next_one_says() {
    let store = fresh("test-again").await;
    store.lead(true);
    let content = content(4 * 16384, 16);
    let id = blob_id(&content);
    store.expect(&id, content.len() as u64, Class::Strangers).await.expect("there is room");
    fill(&store, &content, 0, 2).await;
    let part = store.parts.borrow()[&id].clone();
    let files::File::Disk(handle) = &part.tree else { panic!("it is on disk") };
    // What is closed cannot be flushed.
    handle.close();
    assert!(matches!(store.commit(&id, content.len() as u64).await, Err(StoreError::Failed(_))));
    assert_eq!(part.fresh.borrow().len(), 2);
}

#[wasm_bindgen_test]
async fn groups_in_files_that_no_record_names_count_for_nothing() {
    let store = fresh("test-renamed").await;
    store.lead(true);
    let content = content(4 * 16384, 19);
    let (id, size) = (blob_id(&content), content.len() as u64);
    store.expect(&id, size, Class::Strangers).await.expect("there is room");
    fill(&store, &content, 0, 2).await;
    let part = store.parts.borrow()[&id].clone();
    store.remove(&id).await.expect("it can be removed");
    assert_eq!(store.commit(&id, size).await, Err(StoreError::Missing));
    store.expect(&id, size, Class::Strangers).await.expect("there is room");
    store.parts.borrow_mut().insert(id, part);
    assert_eq!(store.commit(&id, size).await, Err(StoreError::Missing));
    assert!(store.held_of(&id).is_some_and(|(_, held)| held.is_none()));
}

#[wasm_bindgen_test]
async fn who_does_not_lead_writes_nothing_in_part() {
    let store = fresh("test-follower").await;
    let content = content(4 * 16384, 17);
    let id = blob_id(&content);
    store.expect(&id, content.len() as u64, Class::Strangers).await.expect("there is room");
    let verified = groups(&content, 0, 2);
    let written = store.write_groups(&id, content.len() as u64, 0, &verified.data, &verified.parents).await;
    assert_eq!(written, Err(StoreError::Missing));
    assert_eq!(store.folder.names().await.expect("they can be listed").len(), 0);
}

#[wasm_bindgen_test]
async fn a_blob_whose_file_is_lost_is_forgotten() {
    let store = fresh("test-lost").await;
    let (id, ..) = write(&store, &content(30_000, 18)).await;
    let file = store.records.borrow()[&id].file.clone();
    store.folder.remove(&file).await.expect("it can be removed");
    assert!(matches!(store.blob(&id).await, Err(StoreError::Missing)));
    assert!(store.held_of(&id).is_none());
    until_removed(&store, 0).await;
}

#[wasm_bindgen_test]
async fn what_was_pinned_meanwhile_is_not_evicted() {
    let store = fresh("test-evict").await;
    let [one, other] = [1, 2].map(|n| BlobId([n; 32]));
    for id in [one, other] {
        store.expect(&id, 5000, Class::Strangers).await.expect("there is room");
    }
    let ids = [one];
    let (pinned, evicted) = futures::join!(store.classify(&ids, Class::Pinned), store.evict(&one));
    assert_eq!((pinned, evicted), (Ok(()), Ok(false)));
    assert_eq!(store.evict(&other).await, Ok(true));
    assert!(store.held_of(&one).is_some() && store.held_of(&other).is_none());
}

#[wasm_bindgen_test]
async fn a_part_that_is_gone_is_told() {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let other = fresh("test-part-gone").await;
    let listening = heard.clone();
    let leader =
        Store::open("test-part-gone", "test", move |ids| listening.borrow_mut().extend_from_slice(ids)).await;
    let id = BlobId([1; 32]);
    leader.expect(&id, 50_000, Class::Strangers).await.expect("there is room");
    until(|| other.held_of(&id).is_some()).await;
    other.remove(&id).await.expect("it can be removed");
    until(|| heard.borrow().contains(&id)).await;
}
