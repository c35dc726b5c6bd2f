//! The program as its page has it: messages in, messages out. Two of them, each with a page of a few lines that carries what
//! their exchanges say to each other.

use std::collections::VecDeque;

use chanterelle_core::base::PeerId;
use chanterelle_core::media::tree::{blob_id, outboard_bytes};
use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{MessageChannel, MessageEvent};

use super::wants::MEMORY_QUOTA;
use super::*;
use crate::messages::{
    Fetch, FromNet, Prepared, Side, StorageStatus, Tab, ToNet, Urgency, Usage, Use, decode, encode,
};
use crate::store::read_blob;

/// A page and its program.
struct Page {
    peer: PeerId,
    port: MessagePort,
    heard: UnboundedReceiver<(ToPage, Array)>,
    /// What was heard and not asked for yet.
    later: VecDeque<(ToPage, Array)>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Page {
    async fn start(peer: u8) -> Self {
        let channel = MessageChannel::new().expect("browsers have them");
        serve_from(channel.port2(), async |_, _| {
            Store::in_memory(StoreError::Unavailable("a test".to_owned()))
        });
        let (hear, heard) = unbounded();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let parts: Array = event.data().unchecked_into();
            let message = decode(&Uint8Array::new(&parts.get(0)).to_vec()).expect("it is of this build");
            let _ = hear.unbounded_send((message, parts));
        });
        let port = channel.port1();
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let mut page =
            Page { peer: PeerId([peer; 32]), port, heard, later: VecDeque::new(), _on_message: on_message };
        // Said before it is ready, and heard all the same.
        page.say(&ToMedia::Start { build: "test".to_owned(), leads: true }, &[]);
        page.say(&ToMedia::Usage(7), &[]);
        assert!(matches!(page.next().await.0, ToPage::Ready(StorageStatus::MemoryOnly(_))));
        assert!(matches!(page.next().await.0, ToPage::Usage(7, usage) if usage.classes.is_empty()));
        page
    }

    fn say(&self, message: &ToMedia, parts: &[&JsValue]) {
        let all = Array::of1(&Uint8Array::from(encode(message).as_slice()));
        for part in parts {
            all.push(part);
        }
        self.port.post_message(&all).expect("it can be sent");
    }

    async fn next(&mut self) -> (ToPage, Array) {
        match self.later.pop_front() {
            Some(heard) => heard,
            None => self.heard.next().await.expect("the program lives on"),
        }
    }

    /// The next message of a kind; those before it are kept.
    async fn wait<T>(&mut self, wanted: impl Fn(&ToPage, &Array) -> Option<T>) -> T {
        let mut passed = VecDeque::new();
        loop {
            let (message, parts) = self.next().await;
            if let Some(found) = wanted(&message, &parts) {
                passed.append(&mut self.later);
                self.later = passed;
                return found;
            }
            passed.push_back((message, parts));
        }
    }

    async fn prepare(&mut self, call: Call, bytes: &[u8]) -> Result<Prepared, PrepareError> {
        let file =
            Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).expect("it is one");
        self.say(&ToMedia::Prepare { call, keep_encoding: false }, &[&file]);
        self.wait(|message, _| match message {
            ToPage::Prepared(answered, outcome) if *answered == call => Some(outcome.clone()),
            _ => None,
        })
        .await
    }

    async fn open(&mut self, call: Call, id: BlobId) -> Result<Vec<u8>, StoreError> {
        self.say(&ToMedia::Open { call, id }, &[]);
        self.wait(|message, parts| match message {
            ToPage::Opened(answered, outcome) if *answered == call => Some(outcome.clone().map(|of| {
                assert_eq!(of, Use::Save, "it is no picture");
                let blob: Blob = parts.get(1).unchecked_into();
                let mut bytes = vec![0; blob.size() as usize];
                read_blob(&blob, 0, &mut bytes).expect("it can be read");
                bytes
            })),
            _ => None,
        })
        .await
    }

    fn want(&self, id: BlobId, size: u64, class: Class, hint: PeerId) {
        self.want_for(1, id, size, class, hint);
    }

    fn want_for(&self, tab: Tab, id: BlobId, size: u64, class: Class, hint: PeerId) {
        let (urgency, hints) = (Urgency::Original, vec![hint]);
        self.say(&ToMedia::Want { tab, id, size, class, urgency, hints }, &[]);
    }

    /// Blobs of a class, once there are so many.
    async fn until_blobs(&mut self, class: Class, count: u64) {
        for call in 1000.. {
            self.say(&ToMedia::Usage(call), &[]);
            let usage = self.wait(|message, _| match message {
                ToPage::Usage(answered, usage) if *answered == call => Some(usage.clone()),
                _ => None,
            });
            if of(&usage.await, class).blobs == count {
                return;
            }
            futures_timer::Delay::new(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

/// Does for one page what the network would, and gives what else it heard.
fn carry(from: &Page, to: &Page, message: ToPage, parts: &Array) -> Option<ToPage> {
    let other = |side| if side == Side::Ours { Side::Theirs } else { Side::Ours };
    let ToPage::Net(_, asked) = message else { return Some(message) };
    match asked {
        ToNet::Open => {
            to.say(&ToMedia::Net(from.peer, FromNet::Accepted), &[]);
            from.say(&ToMedia::Net(to.peer, FromNet::Opened), &[]);
        }
        ToNet::Close(side, _) => to.say(&ToMedia::Net(from.peer, FromNet::Closed(other(side))), &[]),
        ToNet::Send(side) => {
            let frame = parts.get(1);
            let size = Uint8Array::new(&frame).length();
            to.say(&ToMedia::Net(from.peer, FromNet::Frame(other(side))), &[&frame]);
            from.say(&ToMedia::Net(to.peer, FromNet::Flushed(side, size.into())), &[]);
        }
        ToNet::Took(..) => {}
    }
    None
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * at / 7 + at / 16384) as u8).collect()
}

/// What there is of a class.
fn of(usage: &AllUsage, class: Class) -> Usage {
    let found = usage.classes.iter().find(|(other, _)| *other == class);
    found.map(|(_, usage)| *usage).unwrap_or_default()
}

#[wasm_bindgen_test]
async fn a_file_goes_from_one_tab_to_another() {
    let mut author = Page::start(1).await;
    let mut reader = Page::start(2).await;
    let file = content(3_000_000);
    let prepared = author.prepare(1, &file).await.expect("it is a file");
    let (id, size) = (prepared.blob.id, prepared.blob.size);
    assert_eq!((id, size, prepared.is_clean), (blob_id(&file), 3_000_000, false));
    assert_eq!(author.open(2, id).await, Ok(file.clone()));
    assert_eq!(reader.open(2, id).await, Err(StoreError::Missing));

    author.say(&ToMedia::Net(reader.peer, FromNet::Came), &[]);
    reader.say(&ToMedia::Net(author.peer, FromNet::Came), &[]);
    reader.want(id, size, Class::Strangers, author.peer);
    loop {
        let (message, parts) = futures::select_biased! {
            (message, parts) = Box::pin(author.heard.select_next_some()) => {
                assert_eq!(carry(&author, &reader, message, &parts), None);
                continue;
            }
            heard = Box::pin(reader.heard.select_next_some()) => heard,
        };
        match carry(&reader, &author, message, &parts) {
            Some(ToPage::Blob(of, Fetch::Progress { held, total, holders })) => {
                // How often it is told depends on how fast the file is; a fast one is there before the first.
                assert!(of == id && held <= total && holders <= 1);
            }
            Some(ToPage::Blob(of, Fetch::Complete)) if of == id => break,
            None => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reader.open(3, id).await, Ok(file));
    reader.say(&ToMedia::Usage(4), &[]);
    let usage = reader.wait(|message, _| match message {
        ToPage::Usage(4, usage) => Some(usage.clone()),
        _ => None,
    });
    assert_eq!(of(&usage.await, Class::Strangers).bytes, size);
}

#[wasm_bindgen_test]
async fn what_is_blocked_is_neither_fetched_kept_nor_given_out() {
    let mut page = Page::start(1).await;
    let file = content(20_000);
    let id = page.prepare(1, &file).await.expect("it is a file").blob.id;
    page.say(&ToMedia::Block(vec![id]), &[]);
    assert_eq!(page.open(2, id).await, Err(StoreError::Missing));
    page.want(id, 20_000, Class::Pinned, PeerId([2; 32]));
    let answer = page.wait(|message, _| match message {
        ToPage::Blob(of, fetch) if *of == id => Some(*fetch),
        _ => None,
    });
    assert_eq!(answer.await, Fetch::Blocked);
    assert_eq!(page.prepare(3, &file).await, Err(PrepareError::Blocked));
    page.say(&ToMedia::Block(vec![]), &[]);
    page.say(&ToMedia::Here { call: 4, ids: vec![id] }, &[]);
    let here = page.wait(|message, _| match message {
        ToPage::Here { call: 4, here, gone } => Some((here.clone(), gone.clone())),
        _ => None,
    });
    assert_eq!(here.await, (vec![], vec![id]));
    assert!(page.prepare(5, &file).await.is_ok());
}

#[wasm_bindgen_test]
async fn there_is_no_room_for_more_than_strangers_may_have() {
    let mut page = Page::start(1).await;
    let share = MEMORY_QUOTA / 4;
    // With its tree a blob of this size takes exactly the share: 64 bytes for each group but one.
    let size = (1..share).rev().find(|size| size + outboard_bytes(*size) <= share).expect("there is one");
    let ids = [1, 2, 3].map(|n| BlobId([n; 32]));
    let answer = async |page: &mut Page, call: Call, id: BlobId, size: u64| {
        page.want(id, size, Class::Strangers, PeerId([2; 32]));
        page.say(&ToMedia::Usage(call), &[]);
        page.wait(|message, _| match message {
            ToPage::Blob(of, refused @ (Fetch::NoRoom | Fetch::NoShare)) if *of == id => Some(Err(*refused)),
            ToPage::Usage(answered, usage) if *answered == call => {
                Some(Ok(of(usage, Class::Strangers).blobs))
            }
            _ => None,
        })
        .await
    };
    assert_eq!(answer(&mut page, 1, ids[0], size + 1).await, Err(Fetch::NoShare));
    assert_eq!(answer(&mut page, 2, ids[1], size).await, Ok(1));
    // The one before makes room.
    assert_eq!(answer(&mut page, 3, ids[2], size).await, Ok(1));
    // And of two that are wanted at once the second takes the first one's.
    page.want(ids[0], size, Class::Strangers, PeerId([2; 32]));
    page.want(ids[1], size, Class::Strangers, PeerId([2; 32]));
    let refused = page.wait(|message, _| match message {
        ToPage::Blob(of, Fetch::NoRoom) if *of == ids[0] => Some(()),
        _ => None,
    });
    refused.await;
    page.until_blobs(Class::Strangers, 1).await;
    let changed = page.wait(|message, _| match message {
        ToPage::Changed(gone) => Some(gone.clone()),
        _ => None,
    });
    assert_eq!(changed.await, [ids[1]], "whose room was taken first");
}

#[wasm_bindgen_test]
async fn a_blob_is_fetched_until_no_tab_wants_it() {
    let mut page = Page::start(1).await;
    let id = BlobId([1; 32]);
    for tab in [1, 2] {
        page.want_for(tab, id, 50_000, Class::Strangers, PeerId([2; 32]));
    }
    page.until_blobs(Class::Strangers, 1).await;
    page.say(&ToMedia::Unwant(1, id), &[]);
    futures_timer::Delay::new(Duration::from_millis(100)).await;
    page.until_blobs(Class::Strangers, 1).await;
    page.say(&ToMedia::Unwant(2, id), &[]);
    page.until_blobs(Class::Strangers, 0).await;
}

#[wasm_bindgen_test]
async fn who_thinks_otherwise_while_room_is_made_is_heard() {
    let mut page = Page::start(1).await;
    let ids = [1, 2].map(|n| BlobId([n; 32]));
    for id in ids {
        page.want(id, 50_000, Class::Strangers, PeerId([2; 32]));
    }
    page.say(&ToMedia::Unwant(1, ids[0]), &[]);
    page.say(&ToMedia::Block(vec![ids[1]]), &[]);
    futures_timer::Delay::new(Duration::from_millis(100)).await;
    page.until_blobs(Class::Strangers, 0).await;
}

#[wasm_bindgen_test]
async fn a_draft_goes_when_it_is_in_no_list_any_more() {
    let mut page = Page::start(1).await;
    let file = content(20_000);
    let id = page.prepare(1, &file).await.expect("it is a file").blob.id;
    assert_eq!(page.prepare(2, &file).await.expect("it is a file").blob.id, id);
    page.say(&ToMedia::Remove(vec![id]), &[]);
    futures_timer::Delay::new(Duration::from_millis(100)).await;
    page.until_blobs(Class::Own, 1).await;
    page.say(&ToMedia::Remove(vec![id]), &[]);
    page.until_blobs(Class::Own, 0).await;
    // What a post refers to stays.
    page.prepare(3, &file).await.expect("it is a file");
    page.say(&ToMedia::Keep { ids: vec![id], class: Class::Own }, &[]);
    page.say(&ToMedia::Remove(vec![id]), &[]);
    futures_timer::Delay::new(Duration::from_millis(100)).await;
    page.until_blobs(Class::Own, 1).await;
}
