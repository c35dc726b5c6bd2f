//! One `RTCPeerConnection`: what it tells, and how it fails.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::poll_fn;
use futures_timer::Delay;
use js_sys::{JSON, Object, Promise, Reflect};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    EventTarget, RtcConfiguration, RtcDataChannel, RtcDataChannelEvent, RtcDataChannelState,
    RtcIceCandidateInit, RtcIceGatheringState, RtcPeerConnection, RtcPeerConnectionIceEvent,
    RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit,
};

use crate::candidate::{self, MayDial};
use crate::channel::{Channel, OnViolation};
use crate::substream::Violation;
use crate::waiting::Waiting;
use crate::{Config, Error};

/// The channel that is there so that an offer speaks of one (webrtc/webrtc.md, step 4).
const INIT: &str = "init";

/// Streams that the other side has opened and nobody has asked for yet. js-libp2p has room for 10.
const EARLY_CHANNELS: usize = 16;

/// Streams at a time.
const CHANNELS: usize = 256;

/// How long a connection may be interrupted. Browsers themselves take 10 to 20 seconds to give one up.
const INTERRUPTION: Duration = Duration::from_secs(10);

/// Candidates that one peer may tell of.
const CANDIDATES: usize = 64;

/// What the browser has told.
#[derive(Default)]
struct Told {
    /// Candidates of this side, as JSON.
    candidates: RefCell<VecDeque<String>>,
    /// Streams that the other side has opened.
    arrived: RefCell<VecDeque<Rc<Channel>>>,
    /// All streams, to be told of the end.
    channels: RefCell<Vec<Weak<Channel>>>,
    violation: Cell<Option<Violation>>,
    /// Whether SCTP or DTLS has ended, of which browsers tell long before the connection itself does.
    ended: Cell<bool>,
    waiting: Waiting,
}

/// A connection of the browser, closed when it is dropped.
pub(crate) struct Peer {
    raw: RtcPeerConnection,
    told: Rc<Told>,
    may_dial: MayDial,
    interruption: RefCell<Option<Delay>>,
    candidates_heard: Cell<usize>,
    callbacks: Callbacks,
}

struct Callbacks {
    change: Closure<dyn Fn()>,
    _candidate: Closure<dyn Fn(RtcPeerConnectionIceEvent)>,
    _channel: Closure<dyn Fn(RtcDataChannelEvent)>,
}

impl Peer {
    /// A connection to nobody yet.
    ///
    /// # Errors
    /// When the browser has none to give.
    pub(crate) fn new(config: Config) -> Result<Peer, Error> {
        let Config { ice_servers, may_dial } = config;
        let configuration = RtcConfiguration::new();
        configuration.set_ice_servers(&ice_servers());
        let raw =
            RtcPeerConnection::new_with_configuration(&configuration).map_err(|error| refused(&error))?;
        let told = Rc::new(Told::default());
        let change = Closure::<dyn Fn()>::new({
            let (told, raw) = (told.clone(), raw.clone());
            move || told.on_change(&raw)
        });
        let candidate = Closure::<dyn Fn(RtcPeerConnectionIceEvent)>::new({
            let told = told.clone();
            move |event: RtcPeerConnectionIceEvent| told.on_candidate(&event)
        });
        let channel = Closure::<dyn Fn(RtcDataChannelEvent)>::new({
            let told = told.clone();
            move |event: RtcDataChannelEvent| told.on_channel(event.channel())
        });
        raw.set_onconnectionstatechange(Some(change.as_ref().unchecked_ref()));
        raw.set_onicegatheringstatechange(Some(change.as_ref().unchecked_ref()));
        raw.set_onicecandidate(Some(candidate.as_ref().unchecked_ref()));
        raw.set_ondatachannel(Some(channel.as_ref().unchecked_ref()));
        let callbacks = Callbacks { change, _candidate: candidate, _channel: channel };
        let (interruption, candidates_heard) = (RefCell::new(None), Cell::new(0));
        Ok(Peer { raw, told, may_dial, interruption, candidates_heard, callbacks })
    }

    /// The channel with which an offer begins.
    pub(crate) fn open_init(&self) -> RtcDataChannel {
        let init = self.raw.create_data_channel(INIT);
        init.set_onopen(Some(self.callbacks.change.as_ref().unchecked_ref()));
        init
    }

    /// Until that channel was opened.
    pub(crate) async fn opened(&self, init: &RtcDataChannel) {
        poll_fn(|context| {
            if init.ready_state() != RtcDataChannelState::Connecting {
                return Poll::Ready(());
            }
            self.told.waiting.add(context);
            Poll::Pending
        })
        .await;
    }

    /// An offer, which is in force from now on.
    pub(crate) async fn offer(&self) -> Result<String, Error> {
        let offer = wait(self.raw.create_offer()).await?;
        self.describe_oneself(RtcSdpType::Offer, &offer).await
    }

    /// The answer to what was heard, which is in force from now on.
    pub(crate) async fn answer(&self) -> Result<String, Error> {
        let answer = wait(self.raw.create_answer()).await?;
        self.describe_oneself(RtcSdpType::Answer, &answer).await
    }

    async fn describe_oneself(&self, kind: RtcSdpType, description: &JsValue) -> Result<String, Error> {
        let text = Reflect::get(description, &"sdp".into()).ok().and_then(|text| text.as_string());
        let text = text.ok_or(Error::Refused("the browser describes nothing".to_owned()))?;
        let init = RtcSessionDescriptionInit::new(kind);
        init.set_sdp(&text);
        wait(self.raw.set_local_description(&init)).await?;
        Ok(text)
    }

    /// What this side says of itself, with the candidates there are by now.
    pub(crate) fn local_description(&self) -> Option<String> {
        self.raw.local_description().map(|description| description.sdp())
    }

    /// Until the browser has found all candidates of this side.
    pub(crate) async fn gathered(&self) {
        poll_fn(|context| {
            if self.raw.ice_gathering_state() == RtcIceGatheringState::Complete {
                return Poll::Ready(());
            }
            self.told.waiting.add(context);
            Poll::Pending
        })
        .await;
    }

    /// Takes what the other side says of itself.
    pub(crate) async fn hear(&self, kind: RtcSdpType, description: &str) -> Result<(), Error> {
        let description = candidate::allowed_lines(description, self.may_dial);
        let init = RtcSessionDescriptionInit::new(kind);
        init.set_sdp(&description);
        wait(self.raw.set_remote_description(&init)).await.map(drop)
    }

    /// Takes a candidate of the other side. One that leads where nobody is to be led is passed over, and so is one that
    /// the browser does not like.
    pub(crate) async fn hear_candidate(&self, json: &str) -> Result<(), Error> {
        self.candidates_heard.set(self.candidates_heard.get() + 1);
        if self.candidates_heard.get() > CANDIDATES {
            return Err(Error::TooManyCandidates);
        }
        let value = JSON::parse(json).map_err(|_| Error::Malformed)?;
        // The end of them: null, an empty text, or a candidate that is one.
        if !value.is_object() {
            return Ok(());
        }
        let text = Reflect::get(&value, &"candidate".into()).ok().and_then(|text| text.as_string());
        let text = text.ok_or(Error::Malformed)?;
        if let Some(allowed) = candidate::allowed(&text, self.may_dial) {
            let init: RtcIceCandidateInit = value.unchecked_into();
            init.set_candidate(&allowed);
            let added = self.raw.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&init));
            let _ = wait(added).await;
        }
        Ok(())
    }

    /// The next candidate of this side, as JSON.
    pub(crate) async fn next_candidate(&self) -> String {
        poll_fn(|context| {
            let next = self.told.candidates.borrow_mut().pop_front();
            next.map_or_else(
                || {
                    self.told.waiting.add(context);
                    Poll::Pending
                },
                Poll::Ready,
            )
        })
        .await
    }

    /// Until there is a connection.
    pub(crate) async fn connected(&self) -> Result<(), Error> {
        poll_fn(|context| {
            if self.raw.connection_state() == RtcPeerConnectionState::Connected {
                return Poll::Ready(Ok(()));
            }
            self.poll_failed(context).map(Err)
        })
        .await?;
        self.watch_transports();
        Ok(())
    }

    /// Until there is a connection, also long after the browser has given up looking for a way: it takes one that the other
    /// side finds later.
    pub(crate) async fn connected_some_day(&self) -> Result<(), Error> {
        poll_fn(|context| match self.raw.connection_state() {
            RtcPeerConnectionState::Connected => Poll::Ready(Ok(())),
            RtcPeerConnectionState::Closed => Poll::Ready(Err(Error::Lost)),
            _ => {
                self.told.waiting.add(context);
                Poll::Pending
            }
        })
        .await?;
        self.watch_transports();
        Ok(())
    }

    /// SCTP runs over DTLS; both tell when they end.
    fn watch_transports(&self) {
        let change = self.callbacks.change.as_ref().unchecked_ref();
        for transport in transports(&self.raw) {
            // There is such an event in every browser that has the transport.
            let _ = transport.add_event_listener_with_callback("statechange", change);
        }
    }

    /// Why the connection is of no more use, once it is.
    pub(crate) fn poll_failed(&self, context: &mut Context<'_>) -> Poll<Error> {
        if let Some(violation) = self.told.violation.get() {
            return Poll::Ready(Error::Violation(violation));
        }
        match self.raw.connection_state() {
            RtcPeerConnectionState::Failed | RtcPeerConnectionState::Closed => {
                return Poll::Ready(Error::Lost);
            }
            _ if self.told.ended.get() => return Poll::Ready(Error::Lost),
            RtcPeerConnectionState::Disconnected => {
                let mut interruption = self.interruption.borrow_mut();
                let patience = interruption.get_or_insert_with(|| Delay::new(INTERRUPTION));
                if patience.poll_unpin(context).is_ready() {
                    return Poll::Ready(Error::Lost);
                }
            }
            _ => drop(self.interruption.take()),
        }
        self.told.waiting.add(context);
        Poll::Pending
    }

    /// The next stream that the other side opens.
    pub(crate) fn poll_arrived(&self, context: &Context<'_>) -> Poll<Rc<Channel>> {
        let next = self.told.arrived.borrow_mut().pop_front();
        match next {
            Some(channel) => {
                channel.adopt();
                Poll::Ready(channel)
            }
            None => {
                self.told.waiting.add(context);
                Poll::Pending
            }
        }
    }

    /// Opens a stream.
    pub(crate) fn open(&self) -> Result<Rc<Channel>, Error> {
        if !self.told.has_room() {
            return Err(Error::TooManyStreams);
        }
        // The label of streams is empty (webrtc/README.md, "RTCDataChannel label").
        let channel = Channel::opened(self.raw.create_data_channel(""), self.told.on_violation());
        self.told.channels.borrow_mut().push(Rc::downgrade(&channel));
        Ok(channel)
    }

    /// Whether everything that was written has left the browser.
    pub(crate) fn is_sent(&self) -> bool {
        self.told.channels.borrow().iter().filter_map(Weak::upgrade).all(|channel| channel.unsent() == 0)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.raw.set_onconnectionstatechange(None);
        self.raw.set_onicegatheringstatechange(None);
        self.raw.set_onicecandidate(None);
        self.raw.set_ondatachannel(None);
        let change = self.callbacks.change.as_ref().unchecked_ref();
        for transport in transports(&self.raw) {
            let _ = transport.remove_event_listener_with_callback("statechange", change);
        }
        self.raw.close();
        let channels = self.told.channels.take();
        channels.iter().filter_map(Weak::upgrade).for_each(|channel| channel.on_lost());
    }
}

impl Told {
    fn on_change(&self, raw: &RtcPeerConnection) {
        let is_closed = |transport: &EventTarget| {
            let state = Reflect::get(transport, &"state".into()).ok().and_then(|state| state.as_string());
            matches!(state.as_deref(), Some("closed" | "failed"))
        };
        if transports(raw).iter().any(is_closed) {
            self.ended.set(true);
        }
        self.waiting.wake();
    }

    fn on_candidate(&self, event: &RtcPeerConnectionIceEvent) {
        // Absent or empty at the end, of which js-libp2p says nothing either.
        let candidate = event.candidate().filter(|candidate| !candidate.candidate().is_empty());
        if let Some(json) = candidate.and_then(|candidate| JSON::stringify(&candidate.to_json()).ok()) {
            self.candidates.borrow_mut().push_back(json.into());
            self.waiting.wake();
        }
    }

    fn on_channel(self: &Rc<Self>, raw: RtcDataChannel) {
        // Whoever offers closes it.
        if raw.label() == INIT {
            return;
        }
        if self.arrived.borrow().len() >= EARLY_CHANNELS || !self.has_room() {
            return raw.close();
        }
        let channel = Channel::arrived(raw, self.on_violation());
        self.channels.borrow_mut().push(Rc::downgrade(&channel));
        self.arrived.borrow_mut().push_back(channel);
        self.waiting.wake();
    }

    fn has_room(&self) -> bool {
        let mut channels = self.channels.borrow_mut();
        channels.retain(|channel| channel.strong_count() > 0);
        channels.len() < CHANNELS
    }

    fn on_violation(self: &Rc<Self>) -> OnViolation {
        let told = Rc::downgrade(self);
        Rc::new(move |violation| {
            if let Some(told) = told.upgrade() {
                told.violation.set(Some(violation));
                told.waiting.wake();
            }
        })
    }
}

/// The SCTP transport and the DTLS transport below it, once they are there.
fn transports(raw: &RtcPeerConnection) -> Vec<EventTarget> {
    let get = |of: &JsValue, key: &str| Reflect::get(of, &key.into()).ok().filter(JsValue::is_object);
    let sctp = get(raw, "sctp");
    let dtls = sctp.as_ref().and_then(|sctp| get(sctp, "transport"));
    [sctp, dtls].into_iter().flatten().map(JsValue::unchecked_into).collect()
}

async fn wait(promise: Promise) -> Result<JsValue, Error> {
    JsFuture::from(promise).await.map_err(|error| refused(&error))
}

fn refused(error: &JsValue) -> Error {
    Error::Refused(String::from(Object::from(error.clone()).to_string()))
}
