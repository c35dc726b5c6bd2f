//! Events travel in sessions and nowhere else: the watch that every test ends with, looked at from close by.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use chanterelle_e2e::watch::{Watch, websockets};
use serde_json::Value;

#[test]
fn events_travel_in_sessions_and_nowhere_else() {
    play("events_travel_in_sessions_and_nowhere_else", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let b = stage.browser("b").await;
        let words = stage.word("secret");
        a.open(&relay.url("/b/quiet?lang=en")).await;
        let thread = a.new_thread("Quiet", &words).await;
        let post = a.post_with(&words).await;
        a.post_in_state(&post.id, "sent").await;
        b.open(&relay.url(&format!("{thread}?lang=en"))).await;
        b.post_with(&words).await;

        let metrics = relay.metrics().await;
        assert_eq!(metrics["chanterelle_events_stored_total"], 1.0);
        assert_eq!(metrics["chanterelle_sessions"], 2.0, "each browser has one");
        for direction in ["in", "out"] {
            let bytes = metrics[&format!("chanterelle_frame_bytes_total{{direction=\"{direction}\"}}")];
            assert!(bytes > 0.0, "frames went {direction}");
        }

        for browser in [&a, &b] {
            let (_, log) = stage.close(browser).await;
            // The log is there, and it is the log of this browser.
            assert_eq!(websockets(&log), 1, "one WebSocket to the relay in {}", browser.name());
            assert!(log.requests.iter().any(|request| request.url.ends_with(".wasm") && request.sent));
            assert!(log.streams.keys().any(|(_, kind)| kind == "SOCKET_BYTES_SENT"));
        }
    });
}

#[test]
fn the_watch_sees_what_a_page_sends() {
    play("the_watch_sees_what_a_page_sends", async |stage| {
        stage.do_not_watch();
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let words = stage.word("leak");
        a.open(&relay.url("/?lang=en")).await;
        const LEAK: &str = "
            const words = arguments[0];
            const ask = (path, options) => fetch(path, options).then(answer => answer.status, String);
            return Promise.all([
                ask('/api/v1/info?event=' + words),
                ask('/api/v1/info', {method: 'POST', body: words}),
                ask('/api/v1/info', {headers: {'x-event': words}}),
                navigator.sendBeacon('/livez', words),
            ]);";
        let answers = a.script(LEAK, &[words.as_str().into()]).await.expect("the page may ask its relay");
        assert_eq!(answers[0], Value::from(200), "{answers}");

        let (_, log) = stage.close(&a).await;
        let found = stage.violations(&a, &log).await;
        let is_found = |parts: &[&str]| {
            let fits = |violation: &&String| parts.iter().all(|part| violation.contains(part));
            assert!(found.iter().find(fits).is_some(), "{parts:?} is not among {found:#?}");
        };
        is_found(&["GET", "/api/v1/info?event=", "no file of the page"]);
        is_found(&["POST", "/api/v1/info", "it has a body"]);
        is_found(&["POST", "/livez", "it has a body"]);
        is_found(&[&words, "SOCKET_BYTES_SENT"]);
    });
}

/// Answers each request with what `page` has for its path, until the program ends.
fn serve(page: fn(&str) -> &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, page));
        }
    });
    address
}

fn answer(mut stream: TcpStream, page: fn(&str) -> &'static str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let read = stream.read(&mut request)?;
    let request = String::from_utf8_lossy(&request[..read]);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let kind = if path.ends_with(".js") { "text/javascript" } else { "text/html" };
    let body = page(path);
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[test]
fn the_watch_sees_what_a_worker_sends() {
    play("the_watch_sees_what_a_worker_sends", async |stage| {
        stage.do_not_watch();
        let address = serve(|path| match path {
            "/" => {
                "<!doctype html><script>new Worker('/worker.js').onmessage = e => document.title = e.data</script>"
            }
            "/worker.js" => {
                "fetch('/sink', {method: 'POST', body: 'leak-' + 'of-a-worker'}).then(() => postMessage('leaked'))"
            }
            _ => "",
        });
        let a = stage.browser("a").await;
        a.goto(&format!("http://{address}/")).await;
        wait::until("the worker to have sent", async || {
            let title = a.client().title().await.map_err(|error| error.to_string())?;
            wait::holds(title == "leaked", || format!("the title is {title:?}"))
        })
        .await;
        let (_, log) = stage.close(&a).await;
        let found = Watch::over(&log, &[address], &["leak-of-a-worker".to_owned()])
            .await
            .violations(&log, &a.opened());
        for parts in [["POST", "/sink", "it has a body"], ["leak-of-a-worker", "SOCKET_BYTES_SENT", "in"]] {
            let fits = |violation: &&String| parts.iter().all(|part| violation.contains(part));
            assert!(found.iter().find(fits).is_some(), "{parts:?} is not among {found:#?}");
        }
    });
}
