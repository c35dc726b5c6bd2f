//! The annex: a second program (`web/annex`) in a worker of its own, for what few visits need and what takes a second of
//! computing. This is the page's end of it: one function for each question.
//!
//! The worker is started by the first question, from the network or from what is kept for use without one. It lives on for a
//! while, because questions seldom come alone, and is ended then, so that no secret outlives its use by much. Questions
//! are answered one after the other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use chanterelle_annex::question::{
    Ask, BackupError, Cost, Draw, DrawError, Key, Matrix, Open, Question, RootOf, Scan, ScanError, Seal,
    SecretBytes, SecretText, Stretch, StretchError, WordsError, WordsOf, decode, encode,
};
use futures::channel::oneshot::{Canceled, Receiver, Sender, channel};
use futures_timer::Delay;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{ErrorEvent, Event, ImageData, MessageEvent, MessagePort, Worker};
use zeroize::Zeroizing;

use crate::program::{self, LOADER};

/// How long the worker waits for another question.
const KEPT: Duration = Duration::from_secs(60);

/// How long its program may take to come. It is a quarter of the page, and the person waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AnnexError<E> {
    /// The program could not be loaded: it is not kept here, and nobody answers, or only with another version.
    NotLoaded,
    /// It has stopped while it computed, in the browser's words; most likely for lack of memory.
    Stopped(String),
    /// What was asked cannot be answered.
    Refused(E),
}

/// The recovery words of a root.
pub(crate) async fn words(root: Key) -> Result<SecretText, AnnexError<WordsError>> {
    ask(WordsOf(root)).await
}

/// The root of recovery words, however they were typed.
pub(crate) async fn root(words: SecretText) -> Result<Key, AnnexError<WordsError>> {
    ask(RootOf(words)).await
}

/// A backup file with this content, which the passphrase opens. Takes about a second.
pub(crate) async fn seal(
    content: SecretBytes,
    passphrase: SecretText,
) -> Result<Vec<u8>, AnnexError<BackupError>> {
    ask(Seal { content, passphrase }).await.map(serde_bytes::ByteBuf::into_vec)
}

/// The content of a backup file. Takes about a second.
pub(crate) async fn open(
    file: Vec<u8>,
    passphrase: SecretText,
) -> Result<SecretBytes, AnnexError<BackupError>> {
    ask(Open { file, passphrase }).await
}

/// The key that a passphrase gives. Takes about half a second. Salt and cost belong beside what the key opens.
pub(crate) async fn stretch(
    passphrase: SecretText,
    salt: [u8; 16],
    cost: Cost,
) -> Result<Key, AnnexError<StretchError>> {
    ask(Stretch { passphrase, salt, cost }).await
}

/// A text as a QR code. The fragment of a URL is put in capitals if it is bech32, which is the same code.
pub(crate) async fn qr(text: String) -> Result<Matrix, AnnexError<DrawError>> {
    ask(Draw(text)).await
}

/// The text of the QR code in a picture of at most [`MAX_PIXELS`](chanterelle_annex::question::MAX_PIXELS).
pub(crate) async fn scan(picture: &ImageData) -> Result<String, AnnexError<ScanError>> {
    ask(Scan { width: picture.width(), rgba: picture.data().0 }).await
}

/// Asks the worker, which is started if it does not run.
async fn ask<Q: Ask>(question: Q) -> Result<Q::Answer, AnnexError<Q::Refusal>> {
    let annex = match RUNNING.take() {
        Some(annex) => annex,
        // Only a browser that has no workers for this page refuses.
        None => Annex::start(LOADER).map_err(|_| AnnexError::NotLoaded)?,
    };
    RUNNING.set(Some(annex.clone()));
    match annex.send(&question.into()).await {
        Ok(Ok(bytes)) => {
            let outcome: Result<Q::Answer, Q::Refusal> = decode(&bytes).expect("the annex is of this build");
            outcome.map_err(AnnexError::Refused)
        }
        Ok(Err(Ended::NotLoaded)) => Err(AnnexError::NotLoaded),
        Ok(Err(Ended::Stopped(why))) => Err(AnnexError::Stopped(why)),
        Err(Canceled) => unreachable!("whoever waits is told before the annex is given up"),
    }
}

thread_local! {
    static RUNNING: RefCell<Option<Rc<Annex>>> = const { RefCell::new(None) };
}

/// A running worker.
struct Annex {
    worker: Worker,
    port: MessagePort,
    state: RefCell<State>,
    /// Held for as long as the worker may call them.
    listeners: RefCell<Option<Listeners>>,
}

struct Listeners {
    _message: Closure<dyn Fn(MessageEvent)>,
    _error: Closure<dyn Fn(Event)>,
}

#[derive(Default)]
struct State {
    /// Whether the program has said that it is there.
    loaded: bool,
    /// Who waits for an answer, in the order of the questions.
    waiting: VecDeque<Sender<Answer>>,
    /// How many questions there have been.
    asked: u32,
}

/// The bytes of an answer, which may hold a secret.
type Answer = Result<Zeroizing<Vec<u8>>, Ended>;

/// Why a worker gives no answers any more.
#[derive(Clone)]
enum Ended {
    NotLoaded,
    Stopped(String),
}

impl Annex {
    fn start(loader: &str) -> Result<Rc<Self>, JsValue> {
        let (worker, port) = program::start(loader, "annex")?;
        let annex = Rc::new(Annex { worker, port, state: RefCell::default(), listeners: RefCell::default() });
        annex.listen();
        spawn_local({
            let annex = annex.clone();
            async move {
                Delay::new(PATIENCE).await;
                if !annex.state.borrow().loaded {
                    annex.end(&Ended::NotLoaded);
                }
            }
        });
        Ok(annex)
    }

    fn listen(self: &Rc<Self>) {
        let on_message = Closure::<dyn Fn(MessageEvent)>::new({
            let annex = Rc::downgrade(self);
            move |event: MessageEvent| {
                if let Some(annex) = annex.upgrade() {
                    annex.on_message(&event.data().unchecked_into());
                }
            }
        });
        let on_error = Closure::<dyn Fn(Event)>::new({
            let annex = Rc::downgrade(self);
            move |event: Event| {
                let Some(annex) = annex.upgrade() else { return };
                let why = event.dyn_ref::<ErrorEvent>().map(ErrorEvent::message).unwrap_or_default();
                let loaded = annex.state.borrow().loaded;
                annex.end(&if loaded { Ended::Stopped(why) } else { Ended::NotLoaded });
            }
        });
        self.port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        self.worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        self.listeners.replace(Some(Listeners { _message: on_message, _error: on_error }));
    }

    fn send(&self, question: &Question) -> Receiver<Answer> {
        let (answer, answered) = channel();
        let mut state = self.state.borrow_mut();
        state.waiting.push_back(answer);
        state.asked = state.asked.wrapping_add(1);
        let bytes = Zeroizing::new(encode(question));
        let bytes = Uint8Array::from(bytes.as_slice());
        self.port
            .post_message_with_transferable(&bytes, &Array::of1(&bytes.buffer()))
            .expect("a fresh buffer can be transferred");
        answered
    }

    fn on_message(self: &Rc<Self>, message: &Uint8Array) {
        // The program's first message has no bytes: it says that it is there.
        if message.length() == 0 {
            self.state.borrow_mut().loaded = true;
            return;
        }
        let bytes = Zeroizing::new(message.to_vec());
        message.fill(0, 0, message.length());
        let (waiting, idle, asked) = {
            let mut state = self.state.borrow_mut();
            (state.waiting.pop_front(), state.waiting.is_empty(), state.asked)
        };
        // Whoever asked may have left the page meanwhile.
        let _ = waiting.expect("one answer to a question").send(Ok(bytes));
        if idle {
            let annex = self.clone();
            spawn_local(async move {
                Delay::new(KEPT).await;
                if annex.state.borrow().asked == asked {
                    annex.end(&Ended::Stopped(String::new()));
                }
            });
        }
    }

    /// Ends the worker, and with it all that its memory holds. The next question starts another.
    fn end(self: &Rc<Self>, why: &Ended) {
        self.worker.terminate();
        self.port.close();
        self.listeners.take();
        RUNNING.with_borrow_mut(|running| {
            if running.as_ref().is_some_and(|running| Rc::ptr_eq(running, self)) {
                *running = None;
            }
        });
        let waiting = std::mem::take(&mut self.state.borrow_mut().waiting);
        for waiting in waiting {
            let _ = waiting.send(Err(why.clone()));
        }
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
