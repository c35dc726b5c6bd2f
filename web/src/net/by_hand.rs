//! Direct connections without any relay: two people pass on an offer and an answer as texts.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use chanterelle_core::base::PeerId as NodeId;
use chanterelle_core::invite::{Candidate, CandidateKind, ConnectCode, ConnectCodeError, Description, Half};
use chanterelle_webrtc::{self as webrtc, ByHand, Config, Connection, Error, Permit};
use libp2p::identity::Keypair;
use serde_bytes::ByteArray;

use super::ice;

/// Where packets are sent: people vouch for what they pass on.
const CONFIG: Config = Config { ice_servers: ice::servers, may_dial: |_| true };

/// The offer that was made last and not answered yet, and whether others may be waited for.
#[derive(Clone)]
pub(super) struct Offers {
    last: Rc<RefCell<Option<Offer>>>,
    permit: Permit,
}

/// The hash of an offer, and its connection to be.
type Offer = ([u8; 32], ByHand);

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
        match error {
            Error::NotPermitted => HandError::Private,
            error => HandError::Browser(error.to_string()),
        }
    }
}

impl Offers {
    /// No offer yet. Nothing is made without the permit.
    pub(super) fn new(permit: Permit) -> Offers {
        Offers { last: Rc::default(), permit }
    }

    /// Whether the person wants direct connections. When not, all that waits for one is given up.
    pub(super) fn allow(&self, direct: bool) {
        self.permit.set(direct);
        if !direct {
            self.last.take();
        }
    }

    /// Makes an offer. The one before is good no more.
    pub(super) async fn offer(&self, key: &Keypair, own: NodeId) -> Result<String, HandError> {
        let (by_hand, description) = self.permit.during(ByHand::offer(CONFIG)).await??;
        let (text, hash) = code(Half::Offer, own, description).sign(signs(key));
        self.last.replace(Some((hash, by_hand)));
        Ok(text)
    }

    /// Waits for the connection.
    ///
    /// # Errors
    /// When it does not come about, or is wanted no more.
    pub(super) async fn connected(&self, by_hand: ByHand) -> Result<Connection, HandError> {
        Ok(self.permit.during(by_hand.connected()).await??)
    }

    /// Takes the code of somebody else.
    pub(super) async fn take(
        &self,
        key: &Keypair,
        own: NodeId,
        text: &str,
    ) -> Result<(Taken, Coming), HandError> {
        if !self.permit.is_given() {
            return Err(HandError::Private);
        }
        let (ConnectCode { half, peer, description }, hash) = ConnectCode::read(text)?;
        if peer == own {
            return Err(HandError::Own);
        }
        let description = of_browser(description);
        match half {
            Half::Offer => {
                let (by_hand, answer) = self.permit.during(ByHand::answer(CONFIG, &description)).await??;
                let (text, _) = code(Half::Answer(hash), own, answer).sign(signs(key));
                Ok((Taken::Answer(text), Coming { node: peer, by_hand }))
            }
            Half::Answer(offer) => {
                let last = self.last.borrow_mut().take_if(|(hash, _)| *hash == offer);
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

    use super::{Coming, HandError, Offers, Permit, Taken};
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
            let offers = Offers::new(Permit::default());
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
        let waits = ben.offers.connected(to_ann.by_hand);
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
