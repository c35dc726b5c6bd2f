//! A bucket that speaks S3, over the HTTP and the TLS that the relay has anyway.
//!
//! object_store makes and signs the requests; here they are only carried. It would bring reqwest with another TLS for that.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Uri;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::MediaError;
use crate::settings::Bucket;
use crate::tls;

/// How long the way to the bucket may take: name, TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the head of an answer may take. A part of an upload is sent within it, too.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// How long each further piece of an answer may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// The bucket that `settings` name. Asks nobody yet.
///
/// # Errors
/// When the settings do not fit together, or there is no authority to trust.
pub(super) fn open(settings: &Bucket) -> Result<AmazonS3, MediaError> {
    let tls = if settings.endpoint.scheme() == "https" {
        Some(tls::client_config().map_err(|error| MediaError::Bucket(error.to_string()))?)
    } else {
        None
    };
    let carrier = Carrier { tls: tls.map(TlsConnector::from) };
    let s3 = AmazonS3Builder::new()
        .with_endpoint(settings.endpoint.as_str().trim_end_matches('/'))
        .with_allow_http(settings.endpoint.scheme() == "http")
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_access_key_id(&settings.access_key)
        .with_secret_access_key(&settings.secret_key)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_http_connector(carrier)
        .build()?;
    Ok(s3)
}

/// Opens connections.
#[derive(Clone)]
struct Carrier {
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carrier").field("tls", &self.tls.is_some()).finish()
    }
}

impl HttpConnector for Carrier {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(self.clone());
        Ok(HttpClient::new(Requests(client)))
    }
}

/// Sends requests.
#[derive(Debug)]
struct Requests(Client<Carrier, HttpRequestBody>);

#[async_trait]
impl HttpService for Requests {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = match timeout(ANSWER_TIMEOUT, self.0.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
                return Err(HttpError::new(kind, error));
            }
            Err(elapsed) => return Err(HttpError::new(HttpErrorKind::Timeout, elapsed)),
        };
        Ok(answer.map(|incoming| HttpResponseBody::new(Hurried { body: incoming, late: None })))
    }
}

/// A body that is an error when whoever reads it waits too long for a piece.
struct Hurried<B> {
    body: B,
    /// Runs while a piece is waited for.
    late: Option<Pin<Box<Sleep>>>,
}

impl<B> Body for Hurried<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.late = None;
            let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
            return Poll::Ready(frame.map(|frame| frame.map_err(broken)));
        }
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(PIECE_TIMEOUT)));
        std::task::ready!(late.as_mut().poll(cx));
        let error = io::Error::new(io::ErrorKind::TimedOut, "the bucket stalls in the middle of an answer");
        Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, error))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl tower::Service<Uri> for Carrier {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = self.tls.clone();
        Box::pin(async move {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the bucket cannot be reached");
            timeout(CONNECT_TIMEOUT, dial(uri, tls)).await.map_err(late)?.map(TokioIo::new)
        })
    }
}

async fn dial(uri: Uri, tls: Option<TlsConnector>) -> io::Result<Wire> {
    let encrypted = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let socket = TcpStream::connect((host.as_str(), port)).await?;
    let _ = socket.set_nodelay(true);
    if !encrypted {
        return Ok(Wire(Box::new(socket)));
    }
    let tls = tls.ok_or_else(|| io::Error::other("there are no certificates to trust"))?;
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    Ok(Wire(Box::new(tls.connect(name, socket).await?)))
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connection, encrypted or not.
struct Wire(Box<dyn Duplex>);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use bytes::Bytes;
    use futures::{StreamExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};
    use hyper::body::Frame;
    use object_store::client::HttpErrorKind;
    use tokio::time::{Instant, sleep};

    use super::{Hurried, PIECE_TIMEOUT};

    #[tokio::test(start_paused = true)]
    async fn a_bucket_that_stalls_in_the_middle_of_an_answer_is_given_up() {
        let piece = |bytes| Ok::<_, Infallible>(Frame::data(Bytes::from_static(bytes)));
        let slow = stream::once(async move {
            sleep(PIECE_TIMEOUT - Duration::from_secs(1)).await;
            piece(b"b")
        });
        let body = stream::iter([piece(b"a")]).chain(slow).chain(stream::pending());
        let mut body = Hurried { body: StreamBody::new(Box::pin(body)), late: None };
        for expected in ["a", "b"] {
            let frame = body.frame().await.expect("there is more").expect("it comes in time");
            assert_eq!(frame.into_data().expect("bytes"), expected);
            // Whoever reads may take as long as he likes.
            sleep(PIECE_TIMEOUT * 2).await;
        }
        let begun = Instant::now();
        let error = body.frame().await.expect("there is an end").expect_err("nothing comes any more");
        assert_eq!((error.kind(), begun.elapsed()), (HttpErrorKind::Timeout, PIECE_TIMEOUT));
    }
}
