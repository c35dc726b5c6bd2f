//! Two connections of one browser, to each other.

mod swarm;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, join, join_all, select};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use futures_timer::Delay;
use js_sys::Array;
use libp2p_core::muxing::{StreamMuxer as _, StreamMuxerExt as _};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

use crate::by_hand::ByHand;
use crate::channel::Stream;
use crate::connection::Connection;
use crate::peer::Peer;
use crate::signalling::{Signal, SignalReader};
use crate::waiting::Waiting;
use crate::{Config, Error, Permit, SignalError, Violation, handshake};

wasm_bindgen_test_configure!(run_in_browser);

const CONFIG: Config = Config { ice_servers: Array::new, may_dial: |_| true };

/// One direction of a signalling stream.
#[derive(Default)]
struct Pipe {
    bytes: RefCell<(VecDeque<u8>, bool)>,
    waiting: Waiting,
}

/// One end of a signalling stream.
struct End {
    from: Rc<Pipe>,
    to: Rc<Pipe>,
}

fn ends() -> (End, End) {
    let (there, back) = (Rc::new(Pipe::default()), Rc::new(Pipe::default()));
    (End { from: back.clone(), to: there.clone() }, End { from: there, to: back })
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let (bytes, is_over) = &mut *self.from.bytes.borrow_mut();
        if bytes.is_empty() && !*is_over {
            self.from.waiting.add(context);
            return Poll::Pending;
        }
        let count = bytes.len().min(buffer.len());
        bytes.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.to.bytes.borrow_mut().0.extend(bytes);
        self.to.waiting.wake();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.to.bytes.borrow_mut().1 = true;
        self.to.waiting.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.to.bytes.borrow_mut().1 = true;
        self.to.waiting.wake();
    }
}

fn peer() -> Peer {
    Peer::new(CONFIG).expect("the browser has connections")
}

async fn connected() -> (Connection, Connection) {
    let (a, (here, there)) = (peer(), ends());
    let (offered, answered) = join(handshake::offer(&a, here), handshake::answer(CONFIG, there)).await;
    offered.expect("it is answered");
    (Connection::new(a), Connection::new(answered.expect("it was offered")))
}

async fn opened(connection: &mut Connection) -> Stream {
    poll_fn(|context| connection.poll_outbound_unpin(context)).await.expect("a stream can be opened")
}

async fn arrived(connection: &mut Connection) -> Stream {
    poll_fn(|context| connection.poll_inbound_unpin(context)).await.expect("the connection goes on")
}

async fn lost(connection: &mut Connection) -> Error {
    poll_fn(|context| connection.poll_unpin(context)).await.expect_err("no address changes")
}

#[wasm_bindgen_test]
async fn descriptions_that_are_passed_on_by_hand_are_enough() {
    let (offering, offer) = ByHand::offer(CONFIG).await.expect("the browser has connections");
    let (answering, answer) = ByHand::answer(CONFIG, &offer).await.expect("it is an offer");
    assert!(!offer.candidates.is_empty() && !answer.candidates.is_empty());
    offering.hear_answer(&answer).await.expect("it is the answer");
    let (a, b) = soon(join(offering.connected(), answering.connected())).await;
    let (mut a, mut b) = (a.expect("it was answered"), b.expect("it was offered"));
    let (mut here, mut there) = join(opened(&mut a), async {
        let mut stream = arrived(&mut b).await;
        stream.write_all(b"by hand").await.expect("the other side reads");
        stream.close().await.expect("it is open");
        stream
    })
    .await;
    let mut heard = Vec::new();
    soon(here.read_to_end(&mut heard)).await.expect("it has an end");
    assert_eq!(heard, b"by hand");
    here.close().await.expect("it is open");
    there.read_to_end(&mut heard).await.expect("it has an end");
}

#[wasm_bindgen_test]
async fn what_goes_on_with_a_permit_ends_with_it() {
    let permit = Permit::default();
    assert_eq!(permit.during(async {}).await, Err(Error::NotPermitted), "it is not given by itself");
    permit.set(true);
    assert_eq!(permit.during(async { 7 }).await, Ok(7));
    let waiting = permit.during(std::future::pending::<()>());
    let withdrawn = async { permit.clone().set(false) };
    assert_eq!(soon(join(waiting, withdrawn)).await.0, Err(Error::NotPermitted));
    assert!(!permit.is_given());
}

#[wasm_bindgen_test]
async fn candidates_are_told_before_the_answer_comes() {
    let (a, (here, mut there)) = (peer(), ends());
    let answering = async {
        let mut reader = SignalReader::new(&mut there);
        assert!(matches!(reader.next().await, Ok(Some(Signal::Offer(_)))));
        // Nothing was said here yet.
        assert!(matches!(reader.next().await, Ok(Some(Signal::Candidate(_)))));
    };
    match soon(select(Box::pin(handshake::offer(&a, here)), Box::pin(answering))).await {
        Either::Left((outcome, _)) => panic!("nobody answers: {outcome:?}"),
        Either::Right(((), _)) => {}
    };
}

#[wasm_bindgen_test]
async fn an_answer_that_is_none_is_refused() {
    let (offering, mut answer) = ByHand::offer(CONFIG).await.expect("the browser has connections");
    answer.ufrag = "x y".to_owned();
    assert!(matches!(offering.hear_answer(&answer).await, Err(Error::Refused(_))));
}

/// What a test waits for that goes wrong should say so.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    match select(Box::pin(what), Delay::new(Duration::from_secs(30))).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => panic!("it does not happen"),
    }
}

#[wasm_bindgen_test]
async fn a_request_is_half_closed_and_answered() {
    let (mut a, mut b) = soon(connected()).await;
    let request: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let asks = async {
        let mut stream = opened(&mut a).await;
        stream.write_all(&request).await.expect("the other side reads");
        stream.close().await.expect("it is open");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("the answer has an end");
        answer
    };
    let answers = async {
        let mut stream = arrived(&mut b).await;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("the request has an end");
        heard.reverse();
        stream.write_all(&heard).await.expect("the other side reads");
        stream.close().await.expect("it is open");
    };
    let (mut answer, ()) = soon(join(asks, answers)).await;
    answer.reverse();
    assert!(answer == request);
}

#[wasm_bindgen_test]
async fn many_streams_at_once_keep_apart() {
    let (mut a, mut b) = soon(connected()).await;
    let mut ours = Vec::new();
    for number in 0..12_u8 {
        let mut stream = opened(&mut a).await;
        stream.write_all(&[number; 40_000]).await.expect("it opens");
        stream.close().await.expect("it is open");
        ours.push(stream);
    }
    let mut theirs = Vec::new();
    for _ in 0..12 {
        theirs.push(soon(arrived(&mut b)).await);
    }
    let heard = join_all(theirs.iter_mut().map(async |stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.expect("it has an end");
        assert!(heard.len() == 40_000 && heard.iter().all(|byte| *byte == heard[0]));
        heard[0]
    }));
    let mut numbers = soon(heard).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..12).collect::<Vec<_>>());
}

/// A stream on which something has arrived, both ends of it.
async fn begun(a: &mut Connection, b: &mut Connection) -> (Stream, Stream) {
    let mut ours = opened(a).await;
    ours.write_all(b"before").await.expect("it opens");
    (ours, soon(arrived(b)).await)
}

#[wasm_bindgen_test]
async fn a_stream_that_is_dropped_is_reset() {
    let (mut a, mut b) = soon(connected()).await;
    let (ours, mut theirs) = begun(&mut a, &mut b).await;
    let mut heard = [0; 6];
    soon(theirs.read_exact(&mut heard)).await.expect("it arrives");
    drop(ours);
    let error = soon(theirs.read_exact(&mut heard)).await.expect_err("nobody writes");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[wasm_bindgen_test]
async fn the_other_side_notices_soon_that_a_connection_is_closed() {
    let (mut a, mut b) = soon(connected()).await;
    let (mut ours, mut theirs) = begun(&mut a, &mut b).await;
    soon(poll_fn(|context| Pin::new(&mut a).poll_close(context))).await.expect("it closes");
    // Long before the browser itself gives the connection up.
    assert_eq!(soon(lost(&mut b)).await, Error::Lost);
    drop(b);
    let mut heard = Vec::new();
    assert!(soon(theirs.read_to_end(&mut heard)).await.is_err());
    assert_eq!(heard, b"before", "what arrived before can be read");
    assert!(soon(ours.write_all(b"after")).await.is_err());
}

#[wasm_bindgen_test]
async fn text_on_a_channel_ends_the_connection() {
    let (mut a, mut b) = soon(connected()).await;
    let (ours, _theirs) = begun(&mut a, &mut b).await;
    ours.say("text");
    assert_eq!(soon(lost(&mut b)).await, Error::Violation(Violation::Text));
}

/// What becomes of an answering side that hears this.
async fn answer_to(said: &[u8]) -> Error {
    let (mut here, there) = ends();
    here.write_all(said).await.expect("there is room");
    soon(handshake::answer(CONFIG, there)).await.err().expect("nobody offers")
}

#[wasm_bindgen_test]
async fn signals_that_are_none_end_the_attempt() {
    assert_eq!(answer_to(&[0xff; 8]).await, Error::Signalling(SignalError::TooLong));
    assert_eq!(answer_to(&[2, 0x08, 9]).await, Error::Signalling(SignalError::Malformed));
    let answer = Signal::Answer("v=0".to_owned()).encode();
    assert_eq!(answer_to(&answer).await, Error::OutOfOrder);
    let offer = Signal::Offer("v=0\r\nnonsense".to_owned()).encode();
    assert!(matches!(answer_to(&offer).await, Error::Refused(_)));
}

/// What becomes of an answering side that hears a true offer, then this.
async fn after_an_offer(said: impl IntoIterator<Item = Signal>) -> Error {
    let (a, (mut here, there)) = (peer(), ends());
    let _init = a.open_init();
    let offer = a.offer().await.expect("the browser offers");
    for signal in [Signal::Offer(offer)].into_iter().chain(said) {
        here.write_all(&signal.encode()).await.expect("there is room");
    }
    soon(handshake::answer(CONFIG, there)).await.err().expect("nobody connects")
}

#[wasm_bindgen_test]
async fn candidates_are_bounded_and_in_order() {
    let candidate = |text: &str| Signal::Candidate(text.to_owned());
    let useless =
        r#"{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}"#;
    // Also of ends.
    for text in [useless, "null"] {
        let many = (0..100).map(|_| candidate(text));
        assert_eq!(after_an_offer(many).await, Error::TooManyCandidates);
    }
    assert_eq!(after_an_offer([candidate("{")]).await, Error::Malformed);
    assert_eq!(after_an_offer([candidate("{}")]).await, Error::Malformed);
    let ends = [candidate("null"), candidate("\"\""), Signal::Offer("v=0".to_owned())];
    assert_eq!(after_an_offer(ends).await, Error::OutOfOrder);
}
