//! STUN: a tab behind a NAT asks where its packets come from, and other tabs connect to it there (RFC 8489, RFC 8445).
//!
//! A server of its own on UDP, without credentials: nobody else has to be asked. It keeps nothing of a request, follows
//! no wish to answer elsewhere, and knows no TURN: it relays nothing.

mod message;

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clients::ClientKey;
use crate::metrics::{Metrics, count};

/// After the socket failed, which is nearly always a lack of memory.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Over this long requests are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// Answers to one client address in a window. A browser asks once for each connection and network, and again every
/// 10 s, so this is enough for an office; and an address that others forge is sent 10 KB a second at most.
const ANSWERS: u8 = 100;

/// How many counters there are: too many to use up by forging addresses.
const COUNTERS: usize = 1 << 16;

/// The server.
pub(crate) struct Server {
    socket: UdpSocket,
    pace: Pace,
    metrics: Arc<Metrics>,
}

impl Server {
    /// Answers what comes to `socket`.
    #[must_use]
    pub(crate) fn new(socket: UdpSocket, metrics: Arc<Metrics>) -> Server {
        Server { socket, pace: Pace::new(Instant::now()), metrics }
    }

    /// Serves until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.serve()).await;
    }

    async fn serve(&mut self) {
        // One byte more than a request has, so that what was cut off is too long as well.
        let mut datagram = [0; message::MAX_BYTES + 1];
        loop {
            match self.socket.recv_from(&mut datagram).await {
                Ok((length, from)) => {
                    if let Err(reason) = self.answer(&datagram[..length], from).await {
                        count(&self.metrics.stun_dropped, reason);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot receive STUN requests");
                    sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }

    /// Answers, or says in one word why not.
    async fn answer(&mut self, datagram: &[u8], from: SocketAddr) -> Result<(), &'static str> {
        let answer = message::answer(datagram, from).ok_or("malformed")?;
        if !self.pace.admits(ClientKey::of(from.ip()), Instant::now()) {
            return Err("address");
        }
        self.socket.send_to(&answer, from).await.map_err(|_| "unsent")?;
        self.metrics.stun_answered.inc();
        Ok(())
    }
}

/// Answers a second, by client. Over UDP a sender writes whatever address it likes, so this is a table of fixed size,
/// unlike [`crate::clients::Rate`]; clients that share a counter by chance share what it allows.
struct Pace {
    begun: Instant,
    counters: Vec<u8>,
    /// With a key of its own, so that nobody knows who shares a counter with whom.
    hasher: RandomState,
}

impl Pace {
    fn new(now: Instant) -> Pace {
        Pace { begun: now, counters: vec![0; COUNTERS], hasher: RandomState::new() }
    }

    /// Counts one answer, unless it is one too many.
    fn admits(&mut self, client: ClientKey, now: Instant) -> bool {
        if now.duration_since(self.begun) >= WINDOW {
            self.begun = now;
            self.counters.fill(0);
        }
        let at = self.hasher.hash_one(client) as usize % COUNTERS;
        let admits = self.counters[at] < ANSWERS;
        self.counters[at] += u8::from(admits);
        admits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{ANSWERS, ClientKey, Pace, WINDOW};

    #[test]
    fn an_address_gets_so_many_answers_a_second() {
        let key = |text: &str| ClientKey::of(text.parse().expect("the test's address is one"));
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        for _ in 0..ANSWERS {
            assert!(pace.admits(key("192.0.2.1"), begun));
        }
        for _ in 0..300 {
            assert!(!pace.admits(key("192.0.2.1"), begun));
        }
        let others = (0..=255).filter(|last| pace.admits(key(&format!("198.51.100.{last}")), begun)).count();
        assert!(others > 250, "one counter of many is used up, {others} others have one");
        assert!(pace.admits(key("192.0.2.1"), begun + WINDOW));
    }
}
