//! The page's end of the program: starts the worker and the network, and is all that the user interface knows of them.
//!
//! The worker gets the module that the page has compiled, so nothing is fetched or compiled twice. Frames go to and fro
//! between the network here and the node there; the user interface sends commands and hears what came in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::AuthorId;
use chanterelle_core::node::{Command, Notice, Update};
use futures::channel::oneshot;
use js_sys::{Array, Object, Reflect};
use serde_bytes::ByteBuf;
use vecmap::VecMap;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    ErrorEvent, HtmlLinkElement, MessageChannel, MessageEvent, MessagePort, Worker, WorkerOptions, WorkerType,
};

use crate::media::Media;
use crate::net::{HandError, Net, NetEvent};
use crate::worker::messages::{ToPage, ToWorker, post, read};

pub(crate) use crate::net::{
    Expected, Line, NetStatus, OWN_SERVERS, Refusal, Server, Taken, hosts, use_servers,
};
pub(crate) use crate::storage::{Lock, LockKey, SecretError, StorageStatus};
pub(crate) use crate::worker::messages::{Answer, Ask, Backup};

/// What the user interface hears.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Incoming {
    /// From the node.
    Update(Update),
    /// Whom the posts of this browser come from.
    Identity(AuthorId),
    /// A passphrase opens what is stored.
    Locked(Lock),
    /// The network changed.
    Net(NetStatus),
    /// The storage changed. After [`Incoming::Failed`] it says that the trouble is over: the node runs.
    Storage(StorageStatus),
    /// The node does not run, in words for the person.
    Failed(String),
}

/// Why an address is not dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotDialled {
    /// It is none, or leads where nobody should be led.
    Refused(Refusal),
    /// A code that was passed on by hand leads nowhere.
    Code(HandError),
    /// Another tab of this browser has the connections.
    OtherTab,
}

/// The way to the node. Commands sent before the node runs wait for it.
#[derive(Clone)]
pub(crate) struct Link(Rc<Page>);

impl Link {
    /// Sends a command.
    pub(crate) fn send(&self, command: Command) {
        self.0.tell(ToWorker::Command(command));
    }

    /// Whether the person wants direct connections, from now on.
    pub(crate) fn allow_direct(&self, direct: bool) {
        if let Some(net) = &*self.0.net.borrow() {
            net.allow(direct);
        }
    }

    /// Connects to an address that the person gives: whom to expect.
    ///
    /// # Errors
    /// Why it is not dialled.
    pub(crate) fn connect(&self, address: &str) -> Result<Expected, NotDialled> {
        self.net()?.connect(address).map_err(NotDialled::Refused)
    }

    /// An offer of a direct connection, for the person to pass on.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn offer(&self) -> Result<String, NotDialled> {
        self.net()?.offer().await.map_err(NotDialled::Code)
    }

    /// Takes an offer or an answer that somebody passed on.
    ///
    /// # Errors
    /// Why it leads to no connection.
    pub(crate) async fn take_code(&self, text: &str) -> Result<Taken, NotDialled> {
        self.net()?.take_code(text).await.map_err(NotDialled::Code)
    }

    /// The network, if it is this page's that counts.
    fn net(&self) -> Result<Net, NotDialled> {
        let net = self.0.net.borrow().clone().filter(|_| self.0.leads.get());
        net.ok_or(NotDialled::OtherTab)
    }

    /// The way to the files; none when the browser gave no worker.
    pub(crate) fn media(&self) -> Option<Media> {
        self.0.media.borrow().clone()
    }

    /// Asks about the person's secret.
    ///
    /// # Errors
    /// Why it is not answered.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, SecretError> {
        let (answer, answered) = oneshot::channel();
        let number = self.0.questions.replace(self.0.questions.get() + 1);
        self.0.asked.borrow_mut().as_mut().ok_or(SecretError::Unanswered)?.insert(number, answer);
        self.0.tell(ToWorker::Ask(number, ask));
        answered.await.unwrap_or(Err(SecretError::Unanswered))
    }
}

/// Hands everything that comes in to `on`, from now on and in order; what came before is handed over first.
pub(crate) fn start(on: impl Fn(Incoming) + 'static) -> Link {
    let page = PAGE.with_borrow_mut(|page| page.get_or_insert_with(Page::start).clone());
    let early = match page.audience.replace(Audience::Listening(Rc::new(on))) {
        Audience::Absent(early) => early,
        Audience::Listening(_) => Vec::new(),
    };
    early.into_iter().for_each(|incoming| page.hand_over(incoming));
    Link(page)
}

/// Starts worker and network, for [`start`] to find them running.
pub(crate) fn boot() {
    PAGE.with_borrow_mut(|page| _ = page.get_or_insert_with(Page::start));
}

thread_local! {
    static PAGE: RefCell<Option<Rc<Page>>> = const { RefCell::new(None) };
}

struct Page {
    port: MessagePort,
    /// Without a worker there is nothing to connect for.
    net: RefCell<Option<Net>>,
    /// Files, in the same case.
    media: RefCell<Option<Media>>,
    /// What leaves with the next message.
    outbox: RefCell<Vec<ToWorker>>,
    /// Whether the node runs behind this page.
    leads: Cell<bool>,
    /// How many questions about the secret there were.
    questions: Cell<u32>,
    /// Who waits for an answer, by the number of the question; nothing when nobody answers any more.
    asked: RefCell<Option<VecMap<u32, Asker>>>,
    audience: RefCell<Audience>,
}

type Asker = oneshot::Sender<Result<Answer, SecretError>>;

enum Audience {
    /// The user interface is not there yet; what it has missed.
    Absent(Vec<Incoming>),
    Listening(Rc<dyn Fn(Incoming)>),
}

impl Page {
    fn start() -> Rc<Page> {
        let channel = MessageChannel::new().expect("browsers with modules have message channels");
        let page = Rc::new(Page {
            port: channel.port1(),
            net: RefCell::new(None),
            media: RefCell::new(None),
            outbox: RefCell::default(),
            leads: Cell::new(false),
            questions: Cell::new(0),
            asked: RefCell::new(Some(VecMap::new())),
            audience: RefCell::new(Audience::Absent(Vec::new())),
        });
        // First the worker, whose start takes longest.
        let on_failed = {
            let page = page.clone();
            move |why| page.on_worker_failed(why)
        };
        if let Err(error) = start_worker(&channel.port2(), on_failed) {
            page.on_worker_failed(words(&error));
            return page;
        }
        let on_message = Closure::<dyn Fn(MessageEvent)>::new({
            let page = page.clone();
            move |event: MessageEvent| page.on_message(&event.data())
        });
        page.port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();

        let net = Net::start({
            let page = page.clone();
            move |event| page.on_net(event)
        });
        page.tell(ToWorker::Start(net.peer()));
        page.media.replace(Some(Media::new(net.clone())));
        page.net.replace(Some(net));
        page.watch();
        page
    }

    /// Tells the worker whether somebody looks at the page, and when the browser is about to stop it (Page Lifecycle).
    fn watch(self: &Rc<Self>) {
        let document = web_sys::window().and_then(|window| window.document()).expect("a page has a document");
        let listen = |name: &str, then: fn(&web_sys::Document) -> ToWorker| {
            let (page, of) = (self.clone(), document.clone());
            let listener = Closure::<dyn Fn()>::new(move || page.tell(then(&of)));
            document
                .add_event_listener_with_callback(name, listener.as_ref().unchecked_ref())
                .expect("any event can be listened to");
            // For as long as the page.
            listener.forget();
        };
        listen("visibilitychange", |document| ToWorker::Seen(!document.hidden()));
        listen("freeze", |_| ToWorker::Yield);
        listen("resume", |document| ToWorker::Seen(!document.hidden()));
        if document.hidden() {
            self.tell(ToWorker::Seen(false));
        }
    }

    fn on_message(&self, data: &JsValue) {
        let items = read::<ToPage>(data).expect("the worker is of the same build");
        let net = self
            .net
            .borrow()
            .clone()
            .expect("the worker speaks after it was started, and then there is a network");
        for item in items {
            match item {
                ToPage::Running => {
                    self.leads.set(true);
                    self.with_media(|media| media.lead(true));
                    net.begin();
                }
                ToPage::Rests => {
                    self.leads.set(false);
                    self.with_media(|media| media.lead(false));
                    net.end();
                }
                ToPage::Relays(relays) => net.know(relays),
                ToPage::Dial(peer, relays) => net.dial(peer, relays),
                // Of the tab that leads, which alone can be asked for there.
                ToPage::Net(status) => self.hand_over(Incoming::Net(NetStatus { own: None, ..status })),
                ToPage::Locked(lock) => self.hand_over(Incoming::Locked(lock)),
                ToPage::Answered(number, answer) => {
                    let asked = self.asked.borrow_mut().as_mut().and_then(|asked| asked.remove(&number));
                    if let Some(asked) = asked {
                        // Whoever asked may be gone.
                        let _ = asked.send(answer);
                    }
                }
                ToPage::Identity(author) => self.hand_over(Incoming::Identity(author)),
                ToPage::Update(update) => {
                    if let Update::Network(sessions) = &update {
                        net.judged(sessions.clone());
                    }
                    self.hand_over(Incoming::Update(update));
                }
                ToPage::Storage(status) => self.hand_over(Incoming::Storage(status)),
                ToPage::Failed(why) => self.hand_over(Incoming::Failed(why)),
                ToPage::Send(peer, frame) => net.send(peer, frame.into_vec()),
                ToPage::Close(peer, ending) => {
                    net.close(peer, ending.why, ending.unwanted);
                    // The network tells nothing of a session that the node has ended.
                    self.with_media(|media| media.left(peer));
                }
                ToPage::Took(peer, bytes) => net.took(peer, bytes as usize),
                ToPage::Pause(peer, wait) => net.wait(peer, Duration::from_millis(wait.into())),
            }
        }
    }

    fn on_net(self: &Rc<Self>, event: NetEvent) {
        match event {
            NetEvent::Connected(peer, direct) => {
                self.tell(ToWorker::Connected(peer, direct));
                self.with_media(|media| media.came(peer));
            }
            NetEvent::Disconnected(peer) => {
                self.tell(ToWorker::Disconnected(peer));
                self.with_media(|media| media.left(peer));
            }
            NetEvent::Media(event) => self.with_media(|media| media.on_net(event)),
            NetEvent::Received(peer, frame) => self.tell(ToWorker::Received(peer, ByteBuf::from(frame))),
            NetEvent::Unreachable(peer) => self.tell(ToWorker::Unreachable(peer)),
            NetEvent::Direct(record) => {
                let record = record.map(ByteBuf::from);
                self.tell(ToWorker::OfNetwork(Command::Direct(record)));
            }
            // What counts is the network of the tab that leads.
            NetEvent::Status(_) if !self.leads.get() => {}
            NetEvent::Status(status) => {
                self.tell(ToWorker::Net(status.clone()));
                self.hand_over(Incoming::Net(status));
            }
            NetEvent::ClockOff => {
                self.hand_over(Incoming::Update(Update::Notice(Notice::ClockLooksWrong)));
            }
            NetEvent::Relays { here, known } => {
                self.tell(ToWorker::OfNetwork(Command::Reachable(here)));
                self.tell(ToWorker::OfNetwork(Command::KnowRelays(known)));
            }
        }
    }

    fn with_media(&self, then: impl FnOnce(&Media)) {
        if let Some(media) = &*self.media.borrow() {
            then(media);
        }
    }

    fn on_worker_failed(&self, detail: String) {
        // Peers must not take this for a tab that listens.
        if let Some(net) = &*self.net.borrow() {
            net.end();
        }
        self.asked.take();
        let words =
            if detail.is_empty() { WORKER_FAILED.to_owned() } else { format!("{WORKER_FAILED} ({detail})") };
        self.hand_over(Incoming::Failed(words));
    }

    /// What is told in one turn of the page leaves as one message.
    fn tell(self: &Rc<Self>, item: ToWorker) {
        let mut outbox = self.outbox.borrow_mut();
        outbox.push(item);
        if outbox.len() == 1 {
            let page = self.clone();
            spawn_local(async move { post(&page.port, &page.outbox.take()) });
        }
    }

    fn hand_over(&self, incoming: Incoming) {
        let on = match &mut *self.audience.borrow_mut() {
            Audience::Absent(early) => return early.push(incoming),
            Audience::Listening(on) => on.clone(),
        };
        on(incoming);
    }
}

const WORKER_FAILED: &str = "The part of this page that reads and writes posts has stopped. Reload the page; what was \
                             shown as saved is still there.";

/// Starts the worker and hands it this program and its port. `on_failed` gets what the browser says when the worker
/// cannot go on; it is stopped then.
fn start_worker(port: &MessagePort, on_failed: impl Fn(String) + 'static) -> Result<(), JsValue> {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let worker = Worker::new_with_options("/worker.js", &options)?;
    let on_error = Closure::<dyn Fn(web_sys::Event)>::new({
        let worker = worker.clone();
        move |event: web_sys::Event| {
            // What has trapped once is in no known state; stopped, it lets go of the profile.
            worker.terminate();
            on_failed(event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message).unwrap_or_default());
        }
    });
    worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    // For as long as the page.
    on_error.forget();

    let message = Object::new();
    Reflect::set(&message, &"module".into(), &wasm_bindgen::module())?;
    Reflect::set(&message, &"glue".into(), &glue()?.into())?;
    Reflect::set(&message, &"port".into(), port)?;
    worker.post_message_with_transfer(&message, &Array::of1(port))
}

/// The address of the JavaScript that belongs to this program: Trunk has the page load it ahead.
fn glue() -> Result<String, JsValue> {
    let document = web_sys::window().and_then(|window| window.document()).ok_or("there is no document")?;
    let link =
        document.query_selector("link[rel=modulepreload]")?.ok_or("the page does not say what it loads")?;
    Ok(link.unchecked_into::<HtmlLinkElement>().href())
}

fn words(error: &JsValue) -> String {
    error.as_string().unwrap_or_else(|| String::from(Object::from(error.clone()).to_string()))
}
