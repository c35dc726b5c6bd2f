//! The exchange's shell: hands it what the network says, performs what it asks for, and wakes it in time.
//!
//! What comes in is answered for once it is durable. While one flush is under way what else comes waits for the next, so that
//! many small writes share one.

use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::base::{Instant, Limits, PeerId};
use chanterelle_core::media::exchange::{Exchange, Input, MediaStream, Output};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::spawn_local;
use web_sys::WorkerGlobalScope;

use super::Shell;
use crate::messages::{Fetch, FromNet, Side, StoreError, ToNet, ToPage};

/// An exchange that knows of nothing.
pub(super) fn new() -> Exchange {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("browsers have entropy");
    Exchange::new(seed, Limits::default())
}

/// The clock of this worker.
fn now() -> Instant {
    let worker: WorkerGlobalScope = js_sys::global().unchecked_into();
    Instant(worker.performance().map_or(0.0, |performance| performance.now()) as u64)
}

impl From<MediaStream> for Side {
    fn from(stream: MediaStream) -> Self {
        match stream {
            MediaStream::Ours => Side::Ours,
            MediaStream::Theirs => Side::Theirs,
        }
    }
}

impl From<Side> for MediaStream {
    fn from(side: Side) -> Self {
        match side {
            Side::Ours => MediaStream::Ours,
            Side::Theirs => MediaStream::Theirs,
        }
    }
}

impl Shell {
    pub(super) fn net(self: &Rc<Self>, peer: PeerId, said: FromNet, parts: &Array) {
        self.tell(match said {
            FromNet::Came => Input::Came(peer),
            FromNet::Left => Input::Left(peer),
            FromNet::Opened => Input::Opened(peer),
            FromNet::Unopened => Input::Unopened(peer),
            FromNet::Accepted => Input::Accepted(peer),
            FromNet::Closed(side) => Input::Closed(peer, side.into()),
            FromNet::Frame(side) => {
                let frame = Uint8Array::new(&parts.get(1)).to_vec();
                self.port.post(&ToPage::Net(peer, ToNet::Took(side, frame.len() as u32)));
                Input::Received { peer, stream: side.into(), frame }
            }
            FromNet::Flushed(side, bytes) => Input::Flushed { peer, stream: side.into(), bytes },
        });
    }

    /// Tells the exchange something, and does what it asks for.
    pub(super) fn tell(self: &Rc<Self>, input: Input) {
        self.exchange.borrow_mut().handle(now(), input);
        loop {
            let output = self.exchange.borrow_mut().poll_output();
            match output {
                Some(output) => self.perform(output),
                None => break,
            }
        }
        self.arm();
    }

    fn perform(self: &Rc<Self>, output: Output) {
        match output {
            Output::OpenStream(peer) => self.port.post(&ToPage::Net(peer, ToNet::Open)),
            Output::CloseStream { peer, stream, reason } => {
                self.port.post(&ToPage::Net(peer, ToNet::Close(stream.into(), reason.to_string())));
            }
            Output::Send { peer, stream, frame } => {
                self.port.post_bytes(&ToPage::Net(peer, ToNet::Send(stream.into())), &frame);
            }
            Output::Read { ticket, id, first, count, .. } => {
                let shell = self.clone();
                spawn_local(async move {
                    let slice = shell.store.slice(&id, first, count).await.ok();
                    if slice.is_none() {
                        shell.forget_if_gone(&id);
                    }
                    shell.tell(Input::ReadDone { ticket, slice });
                });
            }
            Output::Write { ticket, id, size, first, data, parents } => {
                let shell = self.clone();
                spawn_local(async move {
                    match shell.store.write_groups(&id, size, first, &data, &parents).await {
                        Ok(()) => {
                            shell.written.borrow_mut().entry((id, size)).or_default().push(ticket);
                            shell.commit().await;
                        }
                        Err(error) => shell.refused(ticket, error),
                    }
                });
            }
            // Who does not lead has nobody to ask.
            Output::Progress { .. } if !self.store.leads() => {}
            Output::Progress { id, held, total, holders } => {
                let mut unasked = self.unasked.borrow_mut();
                if held == 0 && holders == 0 && unasked.contains(&id) {
                    return;
                }
                unasked.remove(&id);
                drop(unasked);
                self.port.post(&ToPage::Blob(id, Fetch::Progress { held, total, holders }));
            }
            Output::Complete(id) => {
                self.wanted.borrow_mut().remove(&id);
                self.port.post(&ToPage::Blob(id, Fetch::Complete));
            }
            Output::Liar { peer, id } => self.port.post(&ToPage::Liar(peer, id)),
        }
    }

    /// Makes durable what was written, round after round, unless that is under way.
    async fn commit(self: &Rc<Self>) {
        if self.is_committing.replace(true) {
            return;
        }
        loop {
            let written = self.written.take();
            if written.is_empty() {
                break;
            }
            for ((id, size), tickets) in written {
                match self.store.commit(&id, size).await {
                    Ok(_) => tickets
                        .into_iter()
                        .for_each(|ticket| self.tell(Input::WriteDone { ticket, stored: true })),
                    Err(error) => tickets.into_iter().for_each(|ticket| self.refused(ticket, error.clone())),
                }
            }
        }
        self.is_committing.set(false);
    }

    fn refused(self: &Rc<Self>, ticket: u64, error: StoreError) {
        self.tell(Input::WriteDone { ticket, stored: false });
        // What was removed meanwhile is nobody's trouble.
        if error != StoreError::Missing {
            self.port.post(&ToPage::Trouble(error));
        }
    }

    /// Sees to it that a timer rings when the exchange wants to be woken. One that rings before is enough.
    fn arm(self: &Rc<Self>) {
        let Some(due) = self.exchange.borrow().poll_timeout() else { return };
        if self.armed.get().is_some_and(|armed| armed <= due) {
            return;
        }
        self.armed.set(Some(due));
        let shell = self.clone();
        // A turn of the worker at least, so that an exchange that always has something to do lets others have theirs.
        let wait = due.since(now()).max(Duration::from_millis(1));
        spawn_local(async move {
            futures_timer::Delay::new(wait).await;
            if shell.armed.get() == Some(due) {
                shell.armed.set(None);
                shell.tell(Input::Wake);
            }
        });
    }
}
