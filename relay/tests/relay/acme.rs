//! Certificates by ACME, from an authority in this program: the relay's side of RFC 8555 and RFC 8737 is the real one,
//! the validation comes over a real connection.
//!
//! The authority here checks what an authority must to know that a name is the relay's. It believes signatures of
//! requests, which are the library's business on both sides.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, head, post};
use data_encoding::BASE64URL_NOPAD;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::program::{Running, program};
use crate::support::tls::{Authority, connect, get as get_over_tls, shown};
use crate::support::{free_address, until};

const DOMAIN: &str = "relay.test";
const TOKEN: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";

/// What the authority knows.
struct Acme {
    url: String,
    authority: Authority,
    /// Where the name leads.
    relay: SocketAddr,
    state: Mutex<Issuing>,
}

#[derive(Default)]
struct Issuing {
    nonces: BTreeSet<String>,
    /// The digest of the account's key (RFC 7638), once there is one.
    thumbprint: Option<String>,
    contact: Value,
    orders: usize,
    valid: bool,
    certificate: Option<String>,
}

type Shared = State<Arc<Acme>>;

/// Starts an authority that trusts what it finds at `relay`.
async fn authority(relay: SocketAddr, folder: &std::path::Path) -> Arc<Acme> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let authority = Authority::new();
    authority.issue(&["localhost"], folder);
    let chain = CertificateDer::pem_file_iter(folder.join("cert.pem")).expect("it was written");
    let chain = chain.map(|certificate| certificate.expect("it is PEM")).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("it was written");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("the certificate is that of the key");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let url = format!("https://localhost:{port}");
    let acme = Arc::new(Acme { url, authority, relay, state: Mutex::default() });
    let router = Router::new()
        .route("/directory", get(directory))
        .route("/nonce", head(nonce))
        .route("/account", post(account))
        .route("/order", post(order))
        .route("/order/1", post(order_status))
        .route("/authorization", post(authorization))
        .route("/challenge", post(challenge))
        .route("/finalize", post(finalize))
        .route("/certificate", post(certificate))
        .with_state(acme.clone());
    tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), router));
    acme
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, router: Router) {
    while let Ok((socket, _)) = listener.accept().await {
        let (tls, router) = (tls.clone(), router.clone());
        tokio::spawn(async move {
            let stream = tls.accept(socket).await.expect("the relay trusts the authority");
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
            // The client ends it as it likes.
            let _ = connection.await;
        });
    }
}

impl Acme {
    fn state(&self) -> std::sync::MutexGuard<'_, Issuing> {
        self.state.lock().expect("nobody panics while it holds this")
    }

    /// What a request says, after a look at its nonce and its URL.
    fn read(&self, path: &str, body: &Bytes) -> (Value, Value) {
        let decoded = |text: &Value| -> Vec<u8> {
            let text = text.as_str().expect("the parts are text");
            BASE64URL_NOPAD.decode(text.as_bytes()).expect("the parts are base64url")
        };
        let body: Value = serde_json::from_slice(body).expect("the body is JSON");
        let protected: Value =
            serde_json::from_slice(&decoded(&body["protected"])).expect("the header is JSON");
        assert_eq!(protected["url"], format!("{}{path}", self.url));
        let nonce = protected["nonce"].as_str().expect("there is a nonce");
        assert!(self.state().nonces.remove(nonce), "each nonce is used once");
        let payload = decoded(&body["payload"]);
        let payload =
            if payload.is_empty() { Value::Null } else { serde_json::from_slice(&payload).expect("JSON") };
        (protected, payload)
    }

    fn answer(&self, status: StatusCode, location: Option<&str>, body: Value) -> Response {
        let mut response = (status, body.to_string()).into_response();
        if let Some(path) = location {
            let location = format!("{}{path}", self.url).parse().expect("a URL is a header value");
            response.headers_mut().insert("location", location);
        }
        response
    }

    fn order(&self) -> Value {
        let state = self.state();
        let mut order = json!({
            "status": if state.certificate.is_some() { "valid" } else if state.valid { "ready" } else { "pending" },
            "authorizations": [format!("{}/authorization", self.url)],
            "finalize": format!("{}/finalize", self.url),
        });
        if state.certificate.is_some() {
            order["certificate"] = format!("{}/certificate", self.url).into();
        }
        order
    }

    /// Connects as RFC 8737 has it and looks whether the certificate shown holds the digest of the token and the key.
    async fn validate(&self, thumbprint: &str) -> bool {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
        let socket = TcpStream::connect(self.relay).await.expect("the relay listens");
        let name = ServerName::try_from(DOMAIN).expect("a name");
        let Ok(stream) = TlsConnector::from(Arc::new(config)).connect(name, socket).await else {
            return false;
        };
        let (_, connection) = stream.get_ref();
        assert_eq!(connection.alpn_protocol(), Some(&b"acme-tls/1"[..]));
        let shown = connection.peer_certificates().expect("a certificate is shown")[0].clone();
        // id-pe-acmeIdentifier, critical, then an OCTET STRING in an OCTET STRING.
        let mut extension = vec![6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 31, 1, 1, 0xff, 4, 34, 4, 32];
        extension.extend(Sha256::digest(format!("{TOKEN}.{thumbprint}")));
        contains(&shown, &extension) && contains(&shown, DOMAIN.as_bytes())
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn directory(State(acme): Shared) -> Response {
    let at = |path: &str| format!("{}{path}", acme.url);
    let body = json!({"newNonce": at("/nonce"), "newAccount": at("/account"), "newOrder": at("/order")});
    acme.answer(StatusCode::OK, None, body)
}

async fn nonce(State(acme): Shared) -> Response {
    let nonce = BASE64URL_NOPAD
        .encode(&Sha256::digest(rcgen::KeyPair::generate().expect("entropy").public_key_raw()));
    acme.state().nonces.insert(nonce.clone());
    let mut response = StatusCode::OK.into_response();
    response
        .headers_mut()
        .insert("replay-nonce", HeaderValue::try_from(nonce).expect("base64url is a header value"));
    response
}

async fn account(State(acme): Shared, body: Bytes) -> Response {
    let (protected, payload) = acme.read("/account", &body);
    let key = &protected["jwk"];
    // The members in this order and nothing else, by RFC 7638.
    let canonical =
        format!(r#"{{"crv":{},"kty":{},"x":{},"y":{}}}"#, key["crv"], key["kty"], key["x"], key["y"]);
    let mut state = acme.state();
    state.thumbprint = Some(BASE64URL_NOPAD.encode(&Sha256::digest(canonical)));
    state.contact = payload["contact"].clone();
    drop(state);
    acme.answer(StatusCode::CREATED, Some("/account/1"), json!({"status": "valid"}))
}

async fn order(State(acme): Shared, body: Bytes) -> Response {
    let (_, payload) = acme.read("/order", &body);
    assert_eq!(payload["identifiers"], json!([{"type": "dns", "value": DOMAIN}]));
    acme.state().orders += 1;
    acme.answer(StatusCode::CREATED, Some("/order/1"), acme.order())
}

async fn order_status(State(acme): Shared, body: Bytes) -> Response {
    acme.read("/order/1", &body);
    acme.answer(StatusCode::OK, None, acme.order())
}

async fn authorization(State(acme): Shared, body: Bytes) -> Response {
    acme.read("/authorization", &body);
    let status = if acme.state().valid { "valid" } else { "pending" };
    let body = json!({
        "status": status,
        "identifier": {"type": "dns", "value": DOMAIN},
        "challenges": [
            {"type": "http-01", "url": format!("{}/other", acme.url), "token": TOKEN},
            {"type": "tls-alpn-01", "url": format!("{}/challenge", acme.url), "token": TOKEN},
        ],
    });
    acme.answer(StatusCode::OK, None, body)
}

async fn challenge(State(acme): Shared, body: Bytes) -> Response {
    acme.read("/challenge", &body);
    let thumbprint = acme.state().thumbprint.clone().expect("there is an account");
    let valid = acme.validate(&thumbprint).await;
    acme.state().valid = valid;
    acme.answer(StatusCode::OK, None, json!({"status": if valid { "valid" } else { "invalid" }}))
}

async fn finalize(State(acme): Shared, body: Bytes) -> Response {
    let (_, payload) = acme.read("/finalize", &body);
    assert!(acme.state().valid, "nothing is certified before the name was seen to be the relay's");
    let request = payload["csr"].as_str().expect("there is a request");
    let request = BASE64URL_NOPAD.decode(request.as_bytes()).expect("it is base64url");
    assert!(contains(&request, DOMAIN.as_bytes()));
    let certificate = acme.authority.certify(&[DOMAIN], &Requested::of(&request)).pem();
    acme.state().certificate = Some(certificate);
    acme.answer(StatusCode::OK, None, acme.order())
}

async fn certificate(State(acme): Shared, body: Bytes) -> Response {
    acme.read("/certificate", &body);
    acme.state().certificate.clone().expect("it was certified").into_response()
}

/// The P-256 key in a certificate request.
struct Requested(Vec<u8>);

impl Requested {
    fn of(request: &[u8]) -> Requested {
        // id-ecPublicKey, prime256v1, and a bit string of 65 bytes (RFC 5480).
        let prefix = [
            &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7][..],
            &[3, 66, 0],
        ]
        .concat();
        let at = request.windows(prefix.len()).position(|window| window == prefix).expect("a P-256 key");
        Requested(request[at + prefix.len()..][..65].to_vec())
    }
}

impl PublicKeyData for Requested {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// Whoever answers a challenge shows a certificate by nobody; what is in it counts.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_asked_for_and_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = free_address();
    let acme = authority(address, folder.path()).await;
    let data = folder.path().join("data");
    let directory = format!("{}/directory", acme.url);
    let start = || {
        let mut command = program();
        command.env("SSL_CERT_FILE", acme.authority.write(folder.path()));
        let listen = address.to_string();
        let settings =
            ["--acme-domain", DOMAIN, "--acme-contact", "op@relay.test", "--acme-directory", &directory];
        Running::of(&mut command, &data, &[&["--listen", &listen][..], &settings].concat())
    };

    let mut running = start();
    let client = acme.authority.client();
    until("the relay has a certificate", async || connect(&client, address, DOMAIN).await.is_ok()).await;
    let mut stream = connect(&client, address, DOMAIN).await.expect("the handshake succeeds");
    let certificate = shown(&stream);
    let info = get_over_tls(&mut stream, "/api/v1/info").await.json();
    let announced = info["addresses"][0].as_str().expect("an address").to_owned();
    assert!(
        announced.starts_with(&format!("/dns/{DOMAIN}/tcp/{}/tls/ws/p2p/", address.port())),
        "{announced}"
    );
    assert_eq!(acme.state().contact, json!(["mailto:op@relay.test"]));
    let mode = data.join("acme").metadata().expect("the folder exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    until("account and certificate are kept", async || {
        let files = std::fs::read_dir(data.join("acme")).expect("the folder exists").flatten();
        let names: Vec<_> = files.map(|file| file.file_name().into_string().expect("it is text")).collect();
        names.len() == 2 && names.iter().all(|name| !name.ends_with(".new"))
    })
    .await;
    running.kill();
    assert_eq!(acme.state().orders, 1);

    let _running = start();
    until("the relay has a certificate", async || connect(&client, address, DOMAIN).await.is_ok()).await;
    let stream = connect(&client, address, DOMAIN).await.expect("the handshake succeeds");
    assert_eq!(shown(&stream), certificate, "the one that was kept");
    assert_eq!(acme.state().orders, 1, "nobody was asked for another");
}
