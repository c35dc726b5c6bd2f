//! Direct connections without any relay: two people pass on an offer and an answer as texts.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;

use chanterelle_core::base::PeerId as NodeId;
use chanterelle_core::invite::{Candidate, CandidateKind, ConnectCode, ConnectCodeError, Description, Half};
use chanterelle_webrtc::{self as webrtc, ByHand, Config, Error};
use futures::channel::oneshot;
use futures::future::{Either, FutureExt as _, Shared, select};
use libp2p::identity::Keypair;
use serde_bytes::ByteArray;

use super::ice;

/// Where packets are sent: people vouch for what they pass on.
const CONFIG: Config = Config { ice_servers: ice::servers, may_dial: |_| true };

/// The offer that was made last and not answered yet, and for how long others may be waited for.
#[derive(Clone, Default)]
pub(super) struct Offers(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    last: Option<([u8; 32], ByHand)>,
    /// While the person wants direct connections.
    leave: Option<Leave>,
}

/// Whoever has the second half learns when the first is dropped.
type Leave = (oneshot::Sender<Infallible>, Shared<oneshot::Receiver<Infallible>>);

/// What was done with a code.
pub(crate) enum Taken {
    /// It was an offer; this answers it.
    Answer(String),
    /// It was the answer. There will be a connection.
    Connecting,
}

/// A connection to come, and with whom.
pub(super) struct Coming {
    pub(super) node: NodeId,
    pub(super) by_hand: ByHand,
}

/// Why a code leads to no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HandError {
    /// It is none.
    Code(ConnectCodeError),
    /// It answers another offer than the last.
    Stale,
    /// It was made here.
    Own,
    /// The person wants no direct connections.
    Private,
    /// The browser refuses.
    Browser(String),
}

impl fmt::Display for HandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandError::Code(error) => error.fmt(f),
            HandError::Stale => f.write_str(
                "this code answers another offer than your last one. Pass on the offer that is shown here, and paste the \
                 answer to that",
            ),
            HandError::Own => f.write_str(
                "this code was made in this tab. Send it to somebody else, and paste what they send you",
            ),
            HandError::Private => f.write_str(
                "direct connections are off in this browser. Turn private mode off in Settings, and begin again with a \
                 new offer",
            ),
            HandError::Browser(why) => write!(f, "the browser makes no connection of this code: {why}"),
        }
    }
}

impl From<ConnectCodeError> for HandError {
    fn from(error: ConnectCodeError) -> HandError {
        HandError::Code(error)
    }
}

impl From<Error> for HandError {
    fn from(error: Error) -> HandError {
        HandError::Browser(error.to_string())
    }
}

impl Offers {
    /// Whether the person wants direct connections. When not, all that waits for one is given up.
    pub(super) fn allow(&self, direct: bool) {
        let mut state = self.0.borrow_mut();
        match (direct, &state.leave) {
            (true, Some(_)) => {}
            (true, None) => {
                let (held, gone) = oneshot::channel();
                state.leave = Some((held, gone.shared()));
            }
            (false, _) => *state = State::default(),
        }
    }

    /// Does something for as long as the person wants direct connections.
    pub(super) async fn while_allowed<T>(&self, work: impl Future<Output = T>) -> Result<T, HandError> {
        let gone = self.0.borrow().leave.as_ref().map(|(_, gone)| gone.clone());
        match select(pin!(work), gone.ok_or(HandError::Private)?).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(HandError::Private),
        }
    }

    /// Makes an offer. The one before is good no more.
    pub(super) async fn offer(&self, key: &Keypair, own: NodeId) -> Result<String, HandError> {
        let (by_hand, description) = self.while_allowed(ByHand::offer(CONFIG)).await??;
        let (text, hash) = code(Half::Offer, own, description).sign(signs(key));
        self.0.borrow_mut().last = Some((hash, by_hand));
        Ok(text)
    }

    /// Takes the code of somebody else.
    pub(super) async fn take(
        &self,
        key: &Keypair,
        own: NodeId,
        text: &str,
    ) -> Result<(Taken, Coming), HandError> {
        if self.0.borrow().leave.is_none() {
            return Err(HandError::Private);
        }
        let (ConnectCode { half, peer, description }, hash) = ConnectCode::read(text)?;
        if peer == own {
            return Err(HandError::Own);
        }
        let description = of_browser(description);
        match half {
            Half::Offer => {
                let (by_hand, answer) = self.while_allowed(ByHand::answer(CONFIG, &description)).await??;
                let (text, _) = code(Half::Answer(hash), own, answer).sign(signs(key));
                Ok((Taken::Answer(text), Coming { node: peer, by_hand }))
            }
            Half::Answer(offer) => {
                let last = self.0.borrow_mut().last.take_if(|(hash, _)| *hash == offer);
                let (_, by_hand) = last.ok_or(HandError::Stale)?;
                by_hand.hear_answer(&description).await?;
                Ok((Taken::Connecting, Coming { node: peer, by_hand }))
            }
        }
    }
}

fn signs(key: &Keypair) -> impl Fn(&[u8; 32]) -> [u8; 64] {
    |hash| {
        let signature = key.sign(hash).expect("an Ed25519 key signs anything");
        signature.try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

fn code(half: Half, peer: NodeId, description: webrtc::Description) -> ConnectCode {
    let webrtc::Description { ufrag, pwd, fingerprint, candidates } = description;
    let kind = |kind: &str| match kind {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::Srflx,
        _ => CandidateKind::Relay,
    };
    let candidates = candidates.into_iter().map(|webrtc::Candidate { kind: of, address, port }| Candidate {
        kind: kind(&of),
        address,
        port,
    });
    let candidates = candidates.collect();
    let description = Description { ufrag, pwd, fingerprint: ByteArray::new(fingerprint), candidates };
    ConnectCode { half, peer, description }
}

fn of_browser(description: Description) -> webrtc::Description {
    let Description { ufrag, pwd, fingerprint, candidates } = description;
    let kind = |kind| match kind {
        CandidateKind::Host => "host",
        CandidateKind::Srflx => "srflx",
        CandidateKind::Relay => "relay",
    };
    let candidates = candidates.into_iter().map(|Candidate { kind: of, address, port }| webrtc::Candidate {
        kind: kind(of).to_owned(),
        address,
        port,
    });
    let candidates = candidates.collect();
    webrtc::Description { ufrag, pwd, fingerprint: fingerprint.into_array(), candidates }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use chanterelle_core::base::PeerId as NodeId;
    use chanterelle_core::invite::ConnectCodeError;
    use futures::future::{Either, join, select};
    use futures_timer::Delay;
    use libp2p::identity::Keypair;
    use std::pin::pin;
    use std::time::Duration;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::{Coming, HandError, Offers, Taken};
    use crate::net::swarm::node_id;

    /// Somebody with a tab.
    struct Person {
        offers: Offers,
        key: Keypair,
        own: NodeId,
    }

    impl Person {
        fn new(allows: bool) -> Person {
            let key = Keypair::generate_ed25519();
            let own = node_id(key.public().to_peer_id()).expect("the key is Ed25519");
            let offers = Offers::default();
            offers.allow(allows);
            Person { offers, key, own }
        }

        async fn offer(&self) -> Result<String, HandError> {
            self.offers.offer(&self.key, self.own).await
        }

        async fn take(&self, text: &str) -> Result<(Taken, Coming), HandError> {
            self.offers.take(&self.key, self.own, text).await
        }

        async fn answer(&self, offer: &str) -> (String, Coming) {
            match self.take(offer).await {
                Ok((Taken::Answer(answer), coming)) => (answer, coming),
                Ok((Taken::Connecting, _)) => panic!("an offer was taken for an answer"),
                Err(error) => panic!("{error}"),
            }
        }

        /// Why a code is not taken.
        async fn refuses(&self, text: &str) -> HandError {
            self.take(text).await.err().expect("it is refused")
        }
    }

    async fn soon<T>(what: impl Future<Output = T>) -> T {
        match select(pin!(what), Delay::new(Duration::from_secs(30))).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => panic!("it does not happen"),
        }
    }

    #[wasm_bindgen_test]
    async fn an_offer_and_its_answer_make_a_connection_once() {
        let (ann, ben) = (Person::new(true), Person::new(true));
        let stale = ann.offer().await.expect("the browser has connections");
        let offer = ann.offer().await.expect("the browser has connections");
        let (of_stale, _) = ben.answer(&stale).await;
        assert_eq!(ann.refuses(&of_stale).await, HandError::Stale, "the offer before");
        let (answer, to_ann) = ben.answer(&offer).await;
        assert_eq!(to_ann.node, ann.own);
        assert_eq!(ann.refuses(&offer).await, HandError::Own);
        assert_eq!(ben.refuses(&answer).await, HandError::Own);
        let (taken, to_ben) = ann.take(&format!(" {}\n", answer.to_uppercase())).await.expect("it fits");
        assert!(matches!(taken, Taken::Connecting));
        assert_eq!(to_ben.node, ben.own);
        let (here, there) = soon(join(to_ben.by_hand.connected(), to_ann.by_hand.connected())).await;
        assert!(here.is_ok() && there.is_ok());
        assert_eq!(ann.refuses(&answer).await, HandError::Stale, "it is good once");
    }

    #[wasm_bindgen_test]
    async fn what_is_no_code_makes_no_connection() {
        let ann = Person::new(true);
        let offer = Person::new(true).offer().await.expect("the browser has connections");
        for (text, why) in [
            ("", ConnectCodeError::Foreign),
            ("chan1qqqqqq", ConnectCodeError::Foreign),
            (&offer[..offer.len() - 1], ConnectCodeError::Damaged),
        ] {
            assert_eq!(ann.refuses(text).await, HandError::Code(why), "{text}");
        }
    }

    #[wasm_bindgen_test]
    async fn nothing_is_made_by_hand_without_leave() {
        let (ann, ben) = (Person::new(false), Person::new(true));
        let offer = ben.offer().await.expect("the browser has connections");
        assert_eq!(ann.offer().await, Err(HandError::Private));
        assert_eq!(ann.refuses(&offer).await, HandError::Private);
        ann.offers.allow(true);
        assert!(ann.offer().await.is_ok());
    }

    #[wasm_bindgen_test]
    async fn whatever_waits_is_given_up_when_the_leave_is_taken_back() {
        let (ann, ben) = (Person::new(true), Person::new(true));
        let offer = ann.offer().await.expect("the browser has connections");
        let (answer, to_ann) = ben.answer(&offer).await;
        let waits = ben.offers.while_allowed(to_ann.by_hand.connected());
        let takes_back = async { ben.offers.allow(false) };
        let (waited, ()) = soon(join(waits, takes_back)).await;
        assert_eq!(waited.err(), Some(HandError::Private));

        ann.offers.allow(false);
        assert_eq!(ann.refuses(&answer).await, HandError::Private);
        ann.offers.allow(true);
        assert_eq!(ann.refuses(&answer).await, HandError::Stale, "the offer is gone");

        // Also while the browser still looks for candidates.
        let making = ann.offer();
        let takes_back = async { ann.offers.allow(false) };
        let (made, ()) = soon(join(making, takes_back)).await;
        assert_eq!(made, Err(HandError::Private));
    }
}
