//! How slow a client may be: it takes at least 1 KiB a second while there is something for it. Measured below TLS, whose
//! buffer would pass for a client.
//!
//! Heads are timed by hyper, which waits [`HEAD_TIMEOUT`] for a whole one. An idle connection that has been upgraded is
//! not slow: nothing is owed on it.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::clients::Slot;

/// How long a client may take for the head of a request, and how long it may stay silent between two.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Over this long the rate is measured: short enough to free places, long enough for a phone in a tunnel.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);

/// Bytes that must pass in one window: 1 KiB a second.
pub(crate) const WINDOW_BYTES: usize = 10 * 1024;

/// Measures what passes while somebody waits for it.
#[derive(Debug, Default)]
struct Pace {
    window: Option<Pin<Box<Sleep>>>,
    bytes: usize,
}

impl Pace {
    fn passed(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Nothing is owed any more.
    fn rest(&mut self) {
        self.window = None;
    }

    /// Ready when a window has passed with too little in it.
    fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let window = self.window.get_or_insert_with(|| {
                self.bytes = 0;
                Box::pin(sleep(WINDOW))
            });
            ready!(window.as_mut().poll(cx));
            if self.bytes < WINDOW_BYTES {
                return Poll::Ready(());
            }
            self.window = None;
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client takes less than 1 KiB a second")
}

/// A client's socket, which fails when the client takes what it asked for too slowly. Holds the client's place.
#[derive(Debug)]
pub(crate) struct ClientSocket<S> {
    socket: S,
    pace: Pace,
    _slot: Slot,
}

impl<S> ClientSocket<S> {
    /// Watches over `socket`.
    #[must_use]
    pub(crate) fn new(socket: S, slot: Slot) -> ClientSocket<S> {
        ClientSocket { socket, pace: Pace::default(), _slot: slot }
    }

    /// `offered` bytes met `result`.
    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(taken)) => {
                self.pace.passed(taken);
                if taken == offered {
                    self.pace.rest();
                }
                Poll::Ready(Ok(taken))
            }
            Poll::Pending => {
                ready!(self.pace.poll_too_slow(cx));
                Poll::Ready(Err(too_slow()))
            }
            failed => failed,
        }
    }
}

impl AsRef<TcpStream> for ClientSocket<TcpStream> {
    fn as_ref(&self) -> &TcpStream {
        &self.socket
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.after_write(cx, bytes.len(), result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.after_write(cx, offered, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use prometheus_client::metrics::gauge::Gauge;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::sleep;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::ClientSocket;
    use crate::clients::Slots;

    fn socket<S>(socket: S) -> ClientSocket<S> {
        ClientSocket::new(socket, Slots::new(1, 1, Gauge::default()).take(None).expect("room"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_its_answer_is_given_up() {
        let (near, _far) = duplex(64);
        let error = socket(near).write_all(&[0; 1024]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }

    /// What TLS keeps for the client is not taken by it.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_its_answer_is_given_up_under_tls_too() {
        let made = rcgen::generate_simple_self_signed(["relay.test".to_owned()]).expect("a certificate");
        let provider = Arc::new(ring::default_provider());
        let key = PrivatePkcs8KeyDer::from(made.key_pair.serialize_der());
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("the key is the certificate's");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a certificate");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (near, far) = duplex(4 * 1024);
        let name = ServerName::try_from("relay.test").expect("a name");
        let (near, far) = tokio::join!(
            TlsAcceptor::from(Arc::new(server)).accept(socket(near)),
            TlsConnector::from(Arc::new(client)).connect(name, far)
        );
        let (mut near, _far) = (near.expect("the handshake succeeds"), far.expect("the handshake succeeds"));
        near.write_all(&[0; 16 * 1024]).await.expect("TLS has room for it");
        let error = near.flush().await.expect_err("nobody reads");
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_at_the_rate_is_served_and_may_then_idle() {
        let (near, mut far) = duplex(4 * 1024);
        let reader = tokio::spawn(async move {
            let mut taken = 0;
            let mut piece = [0; 2 * 1024];
            loop {
                sleep(Duration::from_secs(1)).await;
                match far.read(&mut piece).await.expect("the pipe works") {
                    0 => return taken,
                    count => taken += count,
                }
            }
        });
        let mut near = socket(near);
        near.write_all(&[0; 100 * 1024]).await.expect("2 KiB a second");
        sleep(Duration::from_secs(3_600)).await;
        near.write_all(&[0; 100 * 1024]).await.expect("an idle hour is not slow");
        drop(near);
        assert_eq!(reader.await.expect("the reader ends"), 200 * 1024);
    }
}
