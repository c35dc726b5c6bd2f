//! Dials other relays: name, TCP, TLS where the address asks for it, WebSocket. What comes out is what a client that
//! came to us has, too.
//!
//! Dials what it is told to, private addresses included: only the operator's own list of relays leads here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::websocket::{self, Carrier, WebSocketStream};
use crate::address::{Endpoint, Host};

/// How long one address of a host may take to answer, when there are others to try: a third of a whole handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long another relay may be silent below everything else: it is dialled anew then, while readers may wait for it.
const GONE_AFTER: Duration = Duration::from_secs(20);

/// Opens WebSockets to other relays.
#[derive(Clone)]
pub(crate) struct Dialler {
    tls: Option<TlsConnector>,
}

impl Dialler {
    /// A dialler that trusts whom `tls` trusts; without it, one that cannot dial with TLS.
    #[must_use]
    pub(crate) fn new(tls: Option<Arc<ClientConfig>>) -> Dialler {
        Dialler { tls: tls.map(TlsConnector::from) }
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// Says which step failed.
    pub(crate) async fn dial(self, endpoint: Endpoint) -> io::Result<WebSocketStream> {
        let socket = connect(&endpoint).await?;
        // Frames of posts are small and wait for nobody.
        let _ = socket.set_nodelay(true);
        // Without it a dead link is noticed later, by pings.
        let _ = watch(&socket);
        let authority = match &endpoint.host {
            Host::Ip(address) => SocketAddr::new(*address, endpoint.port).to_string(),
            Host::Name(name, _) => format!("{name}:{}", endpoint.port),
        };
        let (scheme, connection): (_, Box<dyn Carrier>) = if endpoint.tls {
            let tls = self.tls.ok_or_else(|| io::Error::other("there are no certificates to trust"))?;
            ("wss", Box::new(tls.connect(server_name(&endpoint.host)?, socket).await?))
        } else {
            ("ws", Box::new(socket))
        };
        websocket::dial(&format!("{scheme}://{authority}/"), connection).await
    }
}

/// Has the system end the connection when the other side is gone without a word: nothing that was sent is confirmed, or
/// nobody answers when nothing is sent, for [`GONE_AFTER`].
fn watch(socket: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, GONE_AFTER / 2)?;
    sockopt::set_tcp_keepintvl(socket, GONE_AFTER / 4)?;
    sockopt::set_tcp_keepcnt(socket, 2)?;
    // On Linux alone; there it holds for both cases.
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(socket, u32::try_from(GONE_AFTER.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

fn server_name(host: &Host) -> io::Result<ServerName<'static>> {
    match host {
        Host::Ip(address) => Ok(ServerName::from(*address)),
        Host::Name(name, _) => {
            ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(io::Error::other)
        }
    }
}

/// Connects to the first address of the host that answers.
async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let addresses = resolve(endpoint).await?;
    let mut failure = io::Error::other("the name has no address of the kind asked for");
    for address in addresses {
        failure = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => error,
            Err(_) => io::Error::new(io::ErrorKind::TimedOut, "nobody answers"),
        };
    }
    Err(failure)
}

async fn resolve(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    let (name, v4) = match &endpoint.host {
        Host::Ip(address) => return Ok(vec![SocketAddr::new(*address, endpoint.port)]),
        Host::Name(name, v4) => (name.as_str(), *v4),
    };
    let found = lookup_host((name, endpoint.port)).await?;
    Ok(found.filter(|address| v4.is_none_or(|v4| v4 == address.is_ipv4())).collect())
}
