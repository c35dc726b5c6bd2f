//! Accepts connections and serves them: places, TLS, timeouts, and an orderly end.
//!
//! HTTP/1.1 only: a browser opens its WebSocket on it, and a proxy in front speaks whatever it likes to the outside.
//! Who speaks plain HTTP where TLS is expected is told so.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::error::ApiError;
use super::pace::{ClientSocket, HEAD_TIMEOUT};
use crate::clients::{ClientKey, Rate, Slot, Slots};
use crate::metrics::{Metrics, count};
use crate::tls::{self, Opened};

/// Bytes of a request's head, and of what hyper holds for one connection and reads at a time.
const HEAD_BYTES: usize = 64 * 1024;

/// Headers of a request.
const HEADERS: usize = 64;

/// After a failed accept, which is nearly always a lack of file descriptors: others need time to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often clients that have gone quiet are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// How long a client may take for a TLS handshake. It has its place meanwhile.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

const REFUSED: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 10\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// The address of the socket a request came over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote(pub(crate) IpAddr);

/// What the server works with.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where connections come from.
    pub(crate) listener: TcpListener,
    /// Who answers.
    pub(crate) router: Router,
    /// TLS, when it is spoken here.
    pub(crate) tls: Option<tls::Server>,
    /// Places.
    pub(crate) slots: Slots,
    /// Requests a minute, to be tidied here.
    pub(crate) rate: Arc<Rate>,
    /// Addresses whose connections belong to others.
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// Figures.
    pub(crate) metrics: Arc<Metrics>,
}

impl Server {
    /// Serves until `stop`; then refuses what is new and finishes what is under way.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let mut forget = interval(FORGET_EVERY);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = forget.tick() => {
                    self.rate.forget_quiet();
                    continue;
                }
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((socket, remote)) => {
                    if let Some(slot) = self.place(&socket, remote) {
                        let connection = Connection {
                            remote: Remote(remote.ip()),
                            router: self.router.clone(),
                            metrics: self.metrics.clone(),
                            stop: stop.clone(),
                        };
                        // Frames of posts are small and wait for nobody.
                        let _ = socket.set_nodelay(true);
                        let socket = ClientSocket::new(socket, slot);
                        connections.spawn(connection.serve(socket, self.tls.clone()));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        connections.close();
        connections.wait().await;
    }

    fn place(&self, socket: &TcpStream, remote: SocketAddr) -> Option<Slot> {
        let address = remote.ip().to_canonical();
        let client = (!self.trusted_proxies.contains(&address)).then(|| ClientKey::of(address));
        match self.slots.take(client) {
            Ok(slot) => Some(slot),
            Err(refusal) => {
                count(&self.metrics.connections_refused, refusal.label());
                // A courtesy; it is closed either way.
                let _ = socket.try_write(REFUSED);
                None
            }
        }
    }
}

/// One connection and what it needs.
struct Connection {
    remote: Remote,
    router: Router,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl Connection {
    async fn serve(mut self, socket: ClientSocket<TcpStream>, tls: Option<tls::Server>) {
        let Some(tls) = tls else { return self.serve_http(socket).await };
        let opened = tokio::select! {
            opened = timeout(HANDSHAKE_TIMEOUT, tls.accept(socket)) => opened,
            () = self.stop.cancelled() => return,
        };
        match opened {
            Ok(Ok(Opened::Encrypted(stream))) => self.serve_http(*stream).await,
            Ok(Ok(Opened::Plain(socket))) => {
                self.router = Router::new().fallback(async || ApiError::https_required());
                self.serve_http(socket).await;
            }
            Ok(Ok(Opened::Challenge)) => {
                tracing::debug!("an authority has looked whether a name is this relay's");
            }
            Ok(Err(error)) => {
                count(&self.metrics.connections_refused, "tls");
                tracing::debug!(%error, "a TLS handshake failed");
            }
            Err(_) => count(&self.metrics.connections_refused, "tls"),
        }
    }

    async fn serve_http<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Connection { remote, router, stop, .. } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(remote);
            router.clone().oneshot(request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
