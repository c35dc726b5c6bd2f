//! The media program: a third program (`web/media`) in a worker of its own, which does everything with the bytes of files.
//! This is the page's end of it: it starts the program when it is needed, carries messages to and fro, and what peers say
//! about files between it and the network. Which files are wanted is decided elsewhere.
//!
//! The program is started by the first that somebody wants of it: by what the page shows, by a file for a post, or by a
//! peer that asks, if files were ever kept here. Then it stays.

mod others;
mod poster;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use chanterelle_core::base::PeerId;
use chanterelle_core::media::exchange::MediaStream;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use vecmap::VecMap;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{ErrorEvent, Event, File, MessageEvent, MessagePort, Worker};

use chanterelle_media::messages::{FromNet, Side, ToNet, decode, encode};

use others::{Between, Others};

use crate::net::{MediaEvent, Net};
use crate::program::{self, LOADER};

pub(crate) use chanterelle_media::messages::{
    AllUsage, Call, Class, Fetch, PrepareError, Prepared, StorageStatus, StoreError, Stored, Tab, ToMedia,
    ToPage, Urgency, Use,
};

/// What the program is called.
const NAME: &str = "media";

/// Set in this browser's local storage once files were kept here: from then on peers that ask are answered.
const HAS_FILES: &str = "chanterelle.files";

/// What somebody hears who listens.
#[derive(Debug)]
pub(crate) enum Told {
    /// The program says something, with what is behind it.
    Said(ToPage, JsValue),
    /// The program has stopped, in the browser's words. What is asked next starts another.
    Stopped(String),
    /// Another tab fetches from now on, or this one: it knows of nothing that was wanted before.
    Leads,
}

/// The way to the media program. A handle.
#[derive(Clone)]
pub(crate) struct Media(Rc<Inner>);

struct Inner {
    net: Net,
    running: RefCell<Option<Running>>,
    leads: Cell<bool>,
    peers: RefCell<VecMap<PeerId, ()>>,
    calls: Cell<Call>,
    on: RefCell<Option<Listener>>,
    /// This tab among those of the profile.
    tab: Tab,
    /// The other tabs of this profile.
    others: RefCell<Option<Others>>,
}

type Listener = Rc<dyn Fn(Told)>;

/// The worker, and who hears of it for as long as it may call.
struct Running {
    worker: Worker,
    port: MessagePort,
    _message: Closure<dyn Fn(MessageEvent)>,
    _error: Closure<dyn Fn(Event)>,
}

impl Media {
    /// A way to the program, which is not started before something is wanted of it.
    pub(crate) fn new(net: Net) -> Media {
        let media = Media(Rc::new(Inner {
            net,
            running: RefCell::new(None),
            leads: Cell::new(false),
            peers: RefCell::default(),
            calls: Cell::new(0),
            on: RefCell::new(None),
            tab: (js_sys::Math::random() * f64::from(Tab::MAX)) as Tab,
            others: RefCell::new(None),
        }));
        let weak = Rc::downgrade(&media.0);
        let others = Others::join(&program::place(NAME).unwrap_or_default(), move |said| {
            if let Some(inner) = weak.upgrade() {
                Media(inner).on_others(said);
            }
        });
        media.0.others.replace(others);
        media
    }

    /// Hands everything that the program says to `on`, from now on.
    pub(crate) fn listen(&self, on: impl Fn(Told) + 'static) {
        self.0.on.replace(Some(Rc::new(on)));
    }

    /// A number for the next question.
    pub(crate) fn call(&self) -> Call {
        self.0.calls.replace(self.0.calls.get().wrapping_add(1))
    }

    /// Which tab this is.
    pub(crate) fn tab(&self) -> Tab {
        self.0.tab
    }

    /// Says something, with something behind it if need be. Starts the program if it does not run.
    pub(crate) fn say(&self, message: &ToMedia, parts: &[JsValue]) {
        if !self.0.leads.get() && matches!(message, ToMedia::Want { .. } | ToMedia::Unwant(..)) {
            return self.say_others(&Between::Ask(message.clone()));
        }
        if self.start() {
            self.post(message, parts, None);
        }
    }

    /// Says something if the program runs: else there is nothing that it could change.
    pub(crate) fn mention(&self, message: &ToMedia) {
        if self.0.running.borrow().is_some() {
            self.post(message, &[], None);
        }
    }

    /// Says something if the program runs, or would know something because files were once kept here; whether it does.
    pub(crate) fn consult(&self, message: &ToMedia) -> bool {
        let knows = self.0.running.borrow().is_some() || has_files();
        if knows {
            self.say(message, &[]);
        }
        knows
    }

    /// Has a file made ready for a post, under this number, if that is still `wanted` once a film has shown a frame.
    pub(crate) fn prepare(
        &self,
        call: Call,
        file: &File,
        keep_encoding: bool,
        wanted: impl Fn() -> bool + 'static,
    ) {
        let (media, file) = (self.clone(), file.clone());
        spawn_local(async move {
            // Only a page can look into a film.
            let poster = if file.type_().starts_with("video/") { poster::of(&file).await } else { None };
            if !wanted() {
                return;
            }
            let parts: Vec<JsValue> =
                [JsValue::from(file)].into_iter().chain(poster.map(JsValue::from)).collect();
            media.say(&ToMedia::Prepare { call, keep_encoding }, &parts);
        });
    }

    /// Whether the node runs behind this page, and with it the network.
    pub(crate) fn lead(&self, leads: bool) {
        self.0.leads.set(leads);
        self.mention(&ToMedia::Lead(leads));
        if leads {
            if self.0.running.borrow().is_some() {
                self.introduce();
            }
            self.say_others(&Between::Leads);
            self.tell(Told::Leads);
        }
    }

    fn say_others(&self, said: &Between) {
        if let Some(others) = &*self.0.others.borrow() {
            others.say(said);
        }
    }

    fn on_others(&self, said: Between) {
        let leads = self.0.leads.get();
        match said {
            Between::Ask(message) if leads => self.say(&message, &[]),
            Between::Blob(id, fetch) if !leads => {
                self.tell(Told::Said(ToPage::Blob(id, fetch), JsValue::NULL));
            }
            Between::Leads if !leads => self.tell(Told::Leads),
            Between::Ask(_) | Between::Blob(..) | Between::Leads => {}
        }
    }

    /// There is a session with a peer.
    pub(crate) fn came(&self, peer: PeerId) {
        self.0.peers.borrow_mut().insert(peer, ());
        self.mention(&ToMedia::Net(peer, FromNet::Came));
    }

    /// It is over.
    pub(crate) fn left(&self, peer: PeerId) {
        self.0.peers.borrow_mut().remove(&peer);
        self.mention(&ToMedia::Net(peer, FromNet::Left));
    }

    /// What the network says of streams of media.
    pub(crate) fn on_net(&self, event: MediaEvent) {
        let (peer, said) = match event {
            MediaEvent::Opened(peer) => (peer, FromNet::Opened),
            MediaEvent::Unopened(peer) => (peer, FromNet::Unopened),
            MediaEvent::Accepted(peer) => {
                // Who never kept a file has nothing to answer with.
                if self.0.running.borrow().is_none() && !(has_files() && self.start()) {
                    return self.0.net.close_media(peer, MediaStream::Theirs);
                }
                (peer, FromNet::Accepted)
            }
            MediaEvent::Closed(peer, stream) => (peer, FromNet::Closed(side(stream))),
            MediaEvent::Flushed(peer, stream, bytes) => (peer, FromNet::Flushed(side(stream), bytes as u64)),
            MediaEvent::Received(peer, stream, frame) => {
                let buffer = Uint8Array::from(frame.as_slice()).buffer();
                // The program says when it has dealt with it; what came for one that has stopped is of a stream that is closed.
                return self.post_bytes(&ToMedia::Net(peer, FromNet::Frame(side(stream))), &buffer);
            }
        };
        self.mention(&ToMedia::Net(peer, said));
    }

    fn post_bytes(&self, message: &ToMedia, buffer: &ArrayBuffer) {
        if self.0.running.borrow().is_some() {
            self.post(message, &[buffer.clone().into()], Some(buffer));
        }
    }

    fn post(&self, message: &ToMedia, parts: &[JsValue], transferred: Option<&ArrayBuffer>) {
        let bytes = Uint8Array::from(encode(message).as_slice());
        let transfer = Array::of1(&bytes.buffer());
        if let Some(buffer) = transferred {
            transfer.push(buffer);
        }
        let all = Array::of1(&bytes);
        for part in parts {
            all.push(part);
        }
        if let Some(running) = &*self.0.running.borrow() {
            running
                .port
                .post_message_with_transferable(&all, &transfer)
                .expect("files, bitmaps and fresh buffers can be sent");
        }
    }

    /// Starts the program unless it runs; whether it does.
    fn start(&self) -> bool {
        if self.0.running.borrow().is_some() {
            return true;
        }
        let (Ok(build), Ok((worker, port))) = (program::place(NAME), program::start(LOADER, NAME)) else {
            self.tell(Told::Stopped(String::new()));
            return false;
        };
        let weak = Rc::downgrade(&self.0);
        let message = Closure::<dyn Fn(MessageEvent)>::new({
            let weak = weak.clone();
            move |event: MessageEvent| {
                if let Some(inner) = weak.upgrade() {
                    Media(inner).on_message(&event.data().unchecked_into());
                }
            }
        });
        let error = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            if let Some(inner) = weak.upgrade() {
                let why = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message).unwrap_or_default();
                Media(inner).stop(why);
            }
        });
        port.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        self.0.running.replace(Some(Running { worker, port, _message: message, _error: error }));
        self.post(&ToMedia::Start { build, leads: self.0.leads.get() }, &[], None);
        self.introduce();
        true
    }

    /// Tells the program who is there.
    fn introduce(&self) {
        for peer in self.0.peers.borrow().keys() {
            self.mention(&ToMedia::Net(*peer, FromNet::Came));
        }
    }

    /// What has trapped once is in no known state.
    fn stop(&self, why: String) {
        let Some(running) = self.0.running.take() else { return };
        running.worker.terminate();
        running.port.close();
        for peer in self.0.peers.borrow().keys() {
            self.0.net.close_media(*peer, MediaStream::Ours);
            self.0.net.close_media(*peer, MediaStream::Theirs);
        }
        // Not before this call, which is one of its own, is over.
        spawn_local(async move { drop(running) });
        self.tell(Told::Stopped(why));
    }

    fn on_message(&self, parts: &Array) {
        let bytes = Uint8Array::new(&parts.get(0)).to_vec();
        let message: ToPage = decode(&bytes).expect("the program is of the same build");
        let part = parts.get(1);
        let net = &self.0.net;
        match message {
            ToPage::Net(peer, ToNet::Open) => net.open_media(peer),
            ToPage::Net(peer, ToNet::Close(side, _)) => net.close_media(peer, stream(side)),
            ToPage::Net(peer, ToNet::Send(side)) => {
                net.send_media(peer, stream(side), Uint8Array::new(&part).to_vec());
            }
            ToPage::Net(peer, ToNet::Took(side, size)) => {
                net.took_media(peer, stream(side), size as usize);
            }
            message => {
                if matches!(message, ToPage::Prepared(_, Ok(_)) | ToPage::Blob(_, Fetch::Complete)) {
                    note_files();
                }
                if let ToPage::Blob(id, fetch) = message
                    && self.0.leads.get()
                {
                    self.say_others(&Between::Blob(id, fetch));
                }
                self.tell(Told::Said(message, part));
            }
        }
    }

    fn tell(&self, told: Told) {
        let on = self.0.on.borrow().clone();
        if let Some(on) = on {
            on(told);
        }
    }
}

fn side(stream: MediaStream) -> Side {
    match stream {
        MediaStream::Ours => Side::Ours,
        MediaStream::Theirs => Side::Theirs,
    }
}

fn stream(side: Side) -> MediaStream {
    match side {
        Side::Ours => MediaStream::Ours,
        Side::Theirs => MediaStream::Theirs,
    }
}

fn local_storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok()?
}

fn has_files() -> bool {
    local_storage().is_some_and(|storage| matches!(storage.get_item(HAS_FILES), Ok(Some(_))))
}

fn note_files() {
    if let Some(storage) = local_storage() {
        // Without it nothing is kept beyond this visit anyway.
        let _ = storage.set_item(HAS_FILES, "1");
    }
}
