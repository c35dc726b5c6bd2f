//! Which of two sessions of one peer stays, asked of the driver itself: whoever opened them, in whichever order.

use std::sync::Arc;
use std::time::Duration;

use chanterelle_core::base::{Limits, PeerId};
use chanterelle_core::crypto::{Identity, Root};
use chanterelle_core::wire::{Frame, Hello, Role, VERSION};
use chanterelle_relay::driver::{Config, Driver};
use chanterelle_relay::metrics::Metrics;
use chanterelle_relay::net::outbox::{Outbox, OutboxReceiver, Owed};
use chanterelle_relay::net::session::{Opener, SessionEvent, SessionId};
use chanterelle_relay::relays::Relays;
use chanterelle_relay::storage::Storage;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Between the two peers of the tests.
const OURS: PeerId = PeerId([100; 32]);
const LOWER: PeerId = PeerId([50; 32]);
const HIGHER: PeerId = PeerId([150; 32]);

/// A driver without a network.
struct Rig {
    sessions: mpsc::Sender<SessionEvent>,
    stop: CancellationToken,
    driver: JoinHandle<()>,
    _disconnected: mpsc::UnboundedReceiver<PeerId>,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn start() -> Rig {
        Rig::with(Limits::default(), Duration::from_secs(10)).await
    }

    async fn with(limits: Limits, drain: Duration) -> Rig {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let metrics = Arc::new(Metrics::default());
        let storage = Storage::open(folder.path(), None, metrics.clone()).await.expect("the database opens");
        let (sessions, sessions_receiver) = mpsc::channel(16);
        let (disconnect, disconnected) = mpsc::unbounded_channel();
        let (restored, mut ready) = watch::channel(false);
        let stop = CancellationToken::new();
        let driver = Driver::new(Config {
            peer: OURS,
            limits,
            agent: "test".to_owned(),
            storage,
            relays: Relays::new(metrics.relays.clone()),
            identity: Identity::from_root(Root([7; 32])),
            media: mpsc::unbounded_channel().0,
            drafts: mpsc::channel(1).1,
            published: mpsc::unbounded_channel().0,
            metrics,
            sessions: sessions_receiver,
            disconnect,
            restored,
            stop: stop.clone(),
            drain,
        })
        .expect("the system has entropy");
        let driver = tokio::spawn(async move { driver.run().await.expect("the driver ends well") });
        ready.wait_for(|ready| *ready).await.expect("an empty storage is read");
        Rig { sessions, stop, driver, _disconnected: disconnected, _folder: folder }
    }

    async fn open(&self, peer: PeerId, session: u64, by: Opener) -> OutboxReceiver {
        let (outbox, inbox) = Outbox::new(Owed::default());
        let event = SessionEvent::Opened { peer, session: SessionId(session), by, outbox };
        self.sessions.send(event).await.expect("the driver runs");
        inbox
    }

    async fn hear(&self, peer: PeerId, session: u64, frame: &Frame) {
        let frame = frame.encode(&Limits::default());
        let event = SessionEvent::Received { peer, session: SessionId(session), frame };
        self.sessions.send(event).await.expect("the driver runs");
    }

    async fn stop(self) {
        self.stop.cancel();
        self.driver.await.expect("the driver does not panic");
    }
}

/// The next frame; `None` when the driver has ended the session.
async fn next(inbox: &mut OutboxReceiver) -> Option<Frame> {
    let frame =
        timeout(Duration::from_secs(60), inbox.next()).await.expect("the driver answers or ends it")?;
    Some(Frame::decode(&frame, &Limits::default()).expect("the relay speaks rightly"))
}

#[tokio::test]
async fn of_two_sessions_opened_at_once_the_one_of_the_lower_key_stays() {
    use Opener::{Peer, Us};
    for (peer, stays) in [(HIGHER, Us), (LOWER, Peer)] {
        for order in [[Us, Peer], [Peer, Us]] {
            let rig = Rig::start().await;
            let mut first = rig.open(peer, 1, order[0]).await;
            assert!(matches!(next(&mut first).await, Some(Frame::Hello(_))));
            let mut second = rig.open(peer, 2, order[1]).await;
            let (kept, ended) = if order[0] == stays {
                (first, second)
            } else {
                assert!(matches!(next(&mut second).await, Some(Frame::Hello(_))), "{peer} {order:?}");
                (second, first)
            };
            let (mut kept, mut ended) = (kept, ended);
            assert_eq!(
                next(&mut ended).await,
                None,
                "{peer} {order:?}: the other is ended and says nothing more"
            );
            // The one that stays goes on until the relay says goodbye.
            rig.stop().await;
            assert!(matches!(next(&mut kept).await, Some(Frame::Bye { .. })), "{peer} {order:?}");
        }
    }
}

#[tokio::test]
async fn a_side_that_opens_twice_in_a_row_keeps_the_first() {
    for by in [Opener::Us, Opener::Peer] {
        let rig = Rig::start().await;
        let mut first = rig.open(LOWER, 1, by).await;
        let mut second = rig.open(LOWER, 2, by).await;
        assert_eq!(next(&mut second).await, None);
        assert!(matches!(next(&mut first).await, Some(Frame::Hello(_))));
        rig.stop().await;
        assert!(matches!(next(&mut first).await, Some(Frame::Bye { .. })));
    }
}

#[tokio::test]
async fn a_busy_relay_stops_as_soon_as_everything_is_stored() {
    // There is always something to do soon: a reconciliation.
    let limits = Limits { reconcile_every: Duration::from_millis(20), ..Limits::default() };
    let drain = Duration::from_secs(3_600);
    let rig = Rig::with(limits, drain).await;
    let mut inbox = rig.open(HIGHER, 1, Opener::Peer).await;
    let hello = Hello { v: VERSION, role: Role::Relay, agent: "test".to_owned(), window: 32, producer: None };
    rig.hear(HIGHER, 1, &Frame::Hello(hello)).await;
    rig.hear(HIGHER, 1, &Frame::Interest { all: true, boards: Vec::new() }).await;
    while !matches!(next(&mut inbox).await, Some(Frame::Reconcile { .. })) {}
    timeout(Duration::from_secs(60), rig.stop()).await.expect("nothing is owed to anybody");
}
