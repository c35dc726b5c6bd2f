//! The bytes of a request, as fast as a client may be slow: 1 KiB a second, measured as in [`super::super::pace`].
//!
//! A body may come without its length announced; then it is counted.

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::super::MAX_BODY;
use super::super::pace::{WINDOW, WINDOW_BYTES};

/// Why no more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The connection ended before the body did.
    Gone,
    /// The client is too slow.
    Slow,
    /// More than a request may carry.
    TooLarge,
    /// The relay is stopping.
    Stopping,
}

/// A body that is read.
#[derive(Debug)]
pub(super) struct Bytewise {
    body: Body,
    /// What is announced and has not come.
    announced: Option<u64>,
    read: u64,
    window: Instant,
    window_bytes: usize,
    stop: CancellationToken,
}

impl Bytewise {
    /// Begins to read; `stop` breaks it off.
    pub(super) fn new(body: Body, stop: CancellationToken) -> Bytewise {
        let announced = body.size_hint().exact();
        Bytewise { body, announced, read: 0, window: Instant::now() + WINDOW, window_bytes: 0, stop }
    }

    /// How many bytes are announced.
    pub(super) fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let stop = self.stop.clone();
            let frame = tokio::select! {
                frame = timeout_at(self.window, self.body.frame()) => frame,
                () = stop.cancelled() => return Err(Broken::Stopping),
            };
            let Ok(frame) = frame else {
                if self.window_bytes < WINDOW_BYTES {
                    return Err(Broken::Slow);
                }
                self.window = Instant::now() + WINDOW;
                self.window_bytes = 0;
                continue;
            };
            let bytes = match frame {
                // A connection that is dropped ends its body like one that is whole.
                None if self.announced.is_some_and(|announced| self.read < announced) => {
                    return Err(Broken::Gone);
                }
                None => return Ok(None),
                Some(Err(_)) => return Err(Broken::Gone),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            self.read += bytes.len() as u64;
            self.window_bytes += bytes.len();
            if self.read > MAX_BODY {
                return Err(Broken::TooLarge);
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    /// Reads the rest and throws it away, as long as it is no more than a request may carry: a client that still sends
    /// does not hear the answer.
    pub(super) async fn drain(mut self) {
        if self.announced.is_some_and(|announced| announced > MAX_BODY) {
            return;
        }
        while let Ok(Some(_)) = self.next().await {}
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::{Body, Bytes};
    use futures::stream;
    use tokio::time::sleep;
    use tokio_util::sync::CancellationToken;

    use super::{Broken, Bytewise};

    fn dripping(bytes: usize) -> Bytewise {
        let body = stream::unfold((), move |()| async move {
            sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(Bytes::from(vec![7; bytes])), ()))
        });
        Bytewise::new(Body::from_stream(body), CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up() {
        let mut slow = dripping(100);
        loop {
            match slow.next().await {
                Ok(Some(_)) => {}
                other => break assert_eq!(other, Err(Broken::Slow)),
            }
        }
        assert!(slow.read <= 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_at_the_rate_is_read_until_it_is_too_large() {
        let mut slow = dripping(2_048);
        loop {
            match slow.next().await {
                Ok(Some(_)) => {}
                other => break assert_eq!(other, Err(Broken::TooLarge)),
            }
        }
    }

    #[tokio::test]
    async fn a_stopping_relay_reads_no_more() {
        let stop = CancellationToken::new();
        stop.cancel();
        let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(Bytewise::new(body, stop).next().await, Err(Broken::Stopping));
    }
}
