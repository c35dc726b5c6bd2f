//! A page that is not served by a relay but stands in front of one: a copy of the relay's that can be changed while it is
//! served, or another one.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use data_encoding::BASE64;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::http;
use crate::relay::Relay;

/// A file as it is served.
#[derive(Clone, Debug)]
struct File {
    kind: String,
    body: Vec<u8>,
}

/// A page by its paths. Everything else, sessions too, is the relay's.
#[derive(Clone, Debug)]
pub struct Site {
    files: Arc<Mutex<BTreeMap<String, File>>>,
    relay: SocketAddr,
}

const SERVICE_WORKER: &str = "/sw.js";

/// What the relay's service worker says of its build.
///
/// # Panics
/// When it says nothing.
pub async fn build(relay: &Relay) -> Value {
    let worker = relay.get(SERVICE_WORKER).await.text();
    let build = worker.split_once("const BUILD = ").and_then(|(_, rest)| rest.split_once(";\n"));
    serde_json::from_str(build.expect("the service worker has a build").0).expect("the build is JSON")
}

impl Site {
    /// The page as the relay has it.
    ///
    /// # Panics
    /// When a file is missing.
    pub async fn copy(relay: &Relay) -> Site {
        let mut copied = BTreeMap::new();
        let build = build(relay).await;
        let files = build["files"].as_object().expect("files by path").keys();
        for path in files.map(String::as_str).chain([SERVICE_WORKER]) {
            let answer = http::get(&relay.url(path), &[]).await.expect("the relay answers");
            assert_eq!(answer.status, 200, "{path}");
            let file = File { kind: answer.header("content-type").to_owned(), body: answer.body.to_vec() };
            copied.insert(path.to_owned(), file);
        }
        Site { files: Arc::new(Mutex::new(copied)), relay: relay.address() }
    }

    /// A page of these files, each with its path and its type.
    #[must_use]
    pub fn of<'a>(relay: &Relay, files: impl IntoIterator<Item = (String, &'a str, Vec<u8>)>) -> Site {
        let files = files.into_iter().map(|(path, kind, body)| (path, File { kind: kind.to_owned(), body }));
        Site { files: Arc::new(Mutex::new(files.collect())), relay: relay.address() }
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path that begins and ends so.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn path(&self, begin: &str, end: &str) -> String {
        let files = self.files();
        let found = files.keys().find(|path| path.starts_with(begin) && path.ends_with(end));
        found.unwrap_or_else(|| panic!("no file {begin}*{end}")).clone()
    }

    /// Changes a file of text, and its hash in the service worker.
    ///
    /// # Panics
    /// When there is no such file, or the service worker does not know it.
    pub fn change(&self, path: &str, change: impl FnOnce(&str) -> String) {
        let mut files = self.files();
        let hash = |body: &[u8]| format!("sha256-{}", BASE64.encode(&Sha256::digest(body)));
        let file = files.get_mut(path).unwrap_or_else(|| panic!("no file {path}"));
        let before = hash(&file.body);
        file.body = change(&String::from_utf8_lossy(&file.body)).into_bytes();
        let after = hash(&file.body);
        let worker = files.get_mut(SERVICE_WORKER).expect("there is a service worker");
        let text = String::from_utf8_lossy(&worker.body);
        assert!(text.contains(&before), "the hash of {path} is that of its bytes");
        worker.body = text.replace(&before, &after).into_bytes();
    }

    /// Gives the build another name, by which browsers know that there is something new.
    ///
    /// # Panics
    /// When there is no service worker.
    pub fn rename(&self, word: &str) {
        let mut files = self.files();
        let worker = files.get_mut(SERVICE_WORKER).expect("there is a service worker");
        let text = String::from_utf8_lossy(&worker.body);
        worker.body = text.replacen("\"name\": \"", &format!("\"name\": \"{word} "), 1).into_bytes();
    }

    /// Serves it until the program ends.
    ///
    /// # Panics
    /// When loopback has no port.
    #[must_use]
    pub fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let site = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let site = site.clone();
                thread::spawn(move || site.answer(stream));
            }
        });
        address
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            let mut bytes = [0; 8192];
            let read = stream.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            head.extend_from_slice(&bytes[..read]);
        }
        let request = String::from_utf8_lossy(&head);
        let path = request.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let session = request.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n");
        // The page answers at each of its own addresses.
        let shell = path.starts_with("/b/") || ["/", "/f", "/me", "/peers", "/settings"].contains(&path);
        let path = if shell { "/" } else { path };
        let file = self.files().get(path).cloned().filter(|_| !session);
        let Some(File { kind, body }) = file else {
            // What comes next on a connection that goes on would be the relay's too.
            let once = request.replace("Connection: keep-alive\r\n", "Connection: close\r\n");
            return self.pass_on(stream, if session { &head } else { once.as_bytes() });
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n\
             Connection: close\r\n\r\n",
            body.len()
        )?;
        stream.write_all(&body)
    }

    /// Lets the relay answer, and whatever comes after it on the connection.
    fn pass_on(&self, mut stream: TcpStream, head: &[u8]) -> io::Result<()> {
        let mut relay = TcpStream::connect(self.relay)?;
        relay.write_all(head)?;
        let (mut from_browser, mut to_relay) = (stream.try_clone()?, relay.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from_browser, &mut to_relay);
            let _ = to_relay.shutdown(Shutdown::Write);
        });
        io::copy(&mut relay, &mut stream)?;
        stream.shutdown(Shutdown::Write)
    }
}
