//! Holds the product to `docs/interfaces.md`: what the document promises is looked for under the very names it gives, so
//! neither can change without the other.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::contract::{Contract, Row, codes};
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::process::Process;
use chanterelle_e2e::relay::{Relay, free_address};
use chanterelle_e2e::stage::play;
use chanterelle_e2e::{files, http, place, wait};
use fantoccini::elements::Element;
use tempfile::TempDir;

use crate::tus;

/// What `cargo xtask run` may take where nothing is built yet.
const BUILD_PATIENCE: Duration = Duration::from_secs(40 * 60);

/// Looks for everything of a row. What comes behind a form is looked for in it.
async fn has(browser: &Browser, row: &Row) {
    let mut form: Option<Element> = None;
    for (role, name) in &row.elements {
        let is_list = role == "list";
        let scope = form.as_ref().filter(|_| !is_list).map_or(Scope::Page, Scope::In);
        if role == "input" {
            // HTML gives an input for files no role; browsers call it a button.
            let found = browser.find(scope, "button", name).await;
            assert_eq!(attribute(&found, "type").await, "file", "{name}");
            continue;
        }
        let found = browser.find(scope, role, name).await;
        if role == "form" {
            form = Some(found);
        }
    }
}

fn row<'a>(table: &'a std::collections::BTreeMap<String, Row>, place: &str) -> &'a Row {
    table.get(place).unwrap_or_else(|| panic!("the table has no row {place:?}"))
}

async fn attribute(element: &Element, name: &str) -> String {
    let value = element.attr(name).await.unwrap_or_else(|error| panic!("{error}"));
    value.unwrap_or_else(|| panic!("there is no attribute {name}"))
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[test]
fn the_page_has_what_is_promised() {
    play("the_page_has_what_is_promised", async |stage| {
        let contract = Contract::read();
        let table = contract.table("Pages");
        let relay = stage.relay().await;
        let a = stage.browser("a").await;

        a.open(&relay.url("/?lang=en")).await;
        has(&a, row(&table, "home")).await;
        everywhere(&a, row(&table, "everywhere")).await;
        a.fill(Scope::Page, "Board name", "contract").await;
        a.click(Scope::Page, "button", "Open board").await;
        a.path_that("the board", |path| path == "/b/contract").await;

        let board = row(&table, "board");
        assert_eq!(board.elements.first(), Some(&("button".to_owned(), "New thread".to_owned())));
        a.click(Scope::Page, "button", "New thread").await;
        has(&a, board).await;
        everywhere(&a, row(&table, "everywhere")).await;
        let form = a.find(Scope::Page, "form", "New thread").await;
        a.fill(Scope::In(&form), "Subject", "Contract").await;
        a.fill(Scope::In(&form), "Comment", "First").await;
        a.click(Scope::In(&form), "button", "Post").await;
        a.path_that("the thread", |path| {
            path.strip_prefix("/b/contract/t/").is_some_and(|thread| is_hexadecimal(thread, 64))
        })
        .await;

        a.reply("Second").await;
        let second = a.post_with("Second").await;
        thread(&a, row(&table, "thread"), &second.id).await;
        everywhere(&a, row(&table, "everywhere")).await;

        a.open(&relay.url("/peers?lang=en")).await;
        let peers = row(&table, "peers");
        has(&a, peers).await;
        everywhere(&a, row(&table, "everywhere")).await;
        peer(&a, &peers.codes, &relay).await;

        a.open(&relay.url("/settings?lang=en")).await;
        has(&a, row(&table, "settings")).await;
        everywhere(&a, row(&table, "everywhere")).await;

        a.open(&relay.url("/me?lang=en")).await;
        has(&a, row(&table, "me")).await;
        everywhere(&a, row(&table, "everywhere")).await;
        a.name_oneself("Fungus").await;
        let code = a.friend_code("contract").await;

        let b = stage.browser("b").await;
        b.open(&code).await;
        assert_eq!(row(&table, "friend code").elements, [("button".to_owned(), "Connect".to_owned())]);
        b.find(Scope::Page, "heading", "Fungus").await;
        everywhere(&b, row(&table, "everywhere")).await;
        b.click(Scope::Page, "button", "Connect").await;
        b.path_that("the code's board", |path| path == "/b/contract").await;
    });
}

/// The status "Network" with its text and counts.
async fn everywhere(browser: &Browser, row: &Row) {
    let [(role, name)] = row.elements.as_slice() else { panic!("{row:?}") };
    assert_eq!(row.codes, ["data-direct", "data-relays"]);
    wait::until("the status to count the relay", async || {
        let status = browser.one(Scope::Page, role, name).await?;
        let mut counts = Vec::new();
        for attribute in &row.codes {
            counts.push(status.attr(attribute).await.map_err(|error| error.to_string())?.unwrap_or_default());
        }
        let text = status.text().await.map_err(|error| error.to_string())?;
        let is_right = counts == ["0", "1"] && text.trim() == "0 peers, 1 relay";
        wait::holds(is_right, || format!("it is {text:?} with {counts:?}"))
    })
    .await;
}

/// The parts of the post of this id, and the form below.
async fn thread(browser: &Browser, row: &Row, id: &str) {
    has(
        browser,
        &Row {
            elements: row.elements.iter().filter(|(_, name)| name != "Quote").cloned().collect(),
            ..Row::default()
        },
    )
    .await;
    assert_eq!(
        row.codes,
        [
            "article",
            "data-id",
            "data-author",
            "data-state",
            "[data-part=\"comment\"]",
            ">>",
            "data-ref",
            "tooltip"
        ]
    );
    let article = browser.article(id).await;
    assert!(is_hexadecimal(&attribute(&article, "data-id").await, 64));
    assert!(is_hexadecimal(&attribute(&article, "data-author").await, 64));
    let state = attribute(&article, "data-state").await;
    assert!(["pending", "saved", "sent"].contains(&state.as_str()), "{state}");
    let comment = article
        .find(fantoccini::Locator::Css("[data-part=\"comment\"]"))
        .await
        .expect("a post has a comment");
    assert_eq!(comment.text().await.expect("a comment has a text"), "Second");

    browser.click(Scope::In(&article), "button", "Quote").await;
    browser.reply("Third").await;
    let third = browser.post_with("Third").await;
    let quote = third.quotes.first().expect("it quotes the second");
    assert_eq!((quote.target.as_str(), quote.text.as_str()), (id, format!(">>{}", &id[..8]).as_str()));
    let article = browser.article(&third.id).await;
    let link = browser.find(Scope::In(&article), "link", &quote.text).await;
    assert_eq!(attribute(&link, "data-ref").await, id);
    let focus = "arguments[0].focus()";
    browser
        .script(focus, &[serde_json::to_value(&link).expect("an element has an id")])
        .await
        .expect("links take the focus");
    wait::until("the preview", async || {
        let previews = browser.all(Scope::Page, "tooltip", None).await?;
        wait::holds(previews.len() == 1, || format!("there are {}", previews.len()))
    })
    .await;
}

/// The relay stands in the list "Peers" with its id and its kind.
async fn peer(browser: &Browser, attributes: &[String], relay: &Relay) {
    assert_eq!(attributes, ["data-kind", "websocket", "webrtc"]);
    let info = relay.get("/api/v1/info").await.json();
    let id = info["peer_id"].as_str().expect("the relay has an id").to_owned();
    wait::until("the relay to stand in the list of peers", async || {
        let list = browser.one(Scope::Page, "list", "Peers").await?;
        let items = browser.all(Scope::In(&list), "listitem", None).await?;
        let [item] = items.as_slice() else { return Err(format!("{} peers", items.len())) };
        let text = item.text().await.map_err(|error| error.to_string())?;
        let kind = item.attr("data-kind").await.map_err(|error| error.to_string())?;
        wait::holds(text.contains(&id) && kind.as_deref() == Some("websocket"), || {
            format!("{text:?}, {kind:?}")
        })
    })
    .await;
}

#[test]
fn a_first_visit_is_not_held_up() {
    play("a_first_visit_is_not_held_up", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        a.open(&relay.url("/?lang=en")).await;
        let modal = a.all(Scope::Page, "dialog", None).await.expect("the page is quiet").len();
        assert_eq!(modal, 0, "nothing stands in front of the page");
        assert_eq!(
            a.script("return document.querySelectorAll('[aria-modal=true], dialog[open]').length", &[]).await,
            Ok(0.into())
        );
        a.open_board("first").await;
    });
}

/// Waits for an alert that has all these words.
async fn alert(browser: &Browser, words: &[&str]) {
    wait::until(&format!("an alert with {words:?}"), async || {
        let alerts = browser.alerts().await?;
        let fits = |alert: &String| words.iter().all(|word| alert.contains(word));
        wait::holds(alerts.iter().any(fits), || format!("the alerts are {alerts:?}"))
    })
    .await;
}

#[test]
fn refusals_say_what_to_do() {
    play("refusals_say_what_to_do", async |stage| {
        assert!(!row(&Contract::read().table("Pages"), "any refusal or failure").codes.is_empty());
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        a.open(&relay.url("/?lang=en")).await;
        for name in ["Not A Board!", "", &"x".repeat(33)] {
            a.fill(Scope::Page, "Board name", name).await;
            a.click(Scope::Page, "button", "Open board").await;
            alert(&a, &["name"]).await;
            assert_eq!(a.path().await, "/", "{name:?} leads nowhere");
        }
        // The alert goes when it is put right.
        a.open_board("put-right").await;
        wait::until("no alert", async || {
            let alerts = a.alerts().await?;
            wait::holds(alerts.is_empty(), || format!("{alerts:?}"))
        })
        .await;

        a.click(Scope::Page, "button", "New thread").await;
        let form = a.find(Scope::Page, "form", "New thread").await;
        a.click(Scope::In(&form), "button", "Post").await;
        alert(&a, &["write"]).await;
        a.fill(Scope::In(&form), "Subject", &"s".repeat(101)).await;
        a.fill(Scope::In(&form), "Comment", "A comment").await;
        a.click(Scope::In(&form), "button", "Post").await;
        alert(&a, &["subject", "100"]).await;
        assert_eq!(a.path().await, "/b/put-right");
    });
}

#[tokio::test]
async fn http_answers_as_promised() {
    let contract = Contract::read();
    let table = contract.table("HTTP");
    let relay = Relay::start(&place::artifacts("http_answers_as_promised").join("relay.log")).await;
    for path in table.keys() {
        let path = path.trim_matches('`');
        assert_eq!(relay.get(path).await.status, 200, "{path}");
    }
    let info = relay.get("/api/v1/info").await;
    let promised: Vec<String> =
        codes(contract.section("HTTP").lines().find(|line| line.contains("/info")).expect("a row"))
            .into_iter()
            .skip(1)
            .collect();
    let mut keys: Vec<String> = info.json().as_object().expect("an object").keys().cloned().collect();
    keys.sort();
    let mut sorted = promised.clone();
    sorted.sort();
    assert_eq!(keys, sorted);
    assert_eq!(relay.get("/api/system.version").await.body, info.body);
    assert_eq!(info.json()["protocol"], "/chanterelle/1");
    let address = info.json()["addresses"][0].as_str().expect("an address").to_owned();
    let port = relay.address().port();
    let peer = info.json()["peer_id"].as_str().expect("an id").to_owned();
    assert_eq!(address, format!("/ip4/127.0.0.1/tcp/{port}/ws/p2p/{peer}"));
    assert!(relay.get("/metrics").await.text().ends_with("# EOF\n"), "OpenMetrics ends so");
}

#[tokio::test]
async fn files_answer_as_promised() {
    let contract = Contract::read();
    let section = contract.section("Files over HTTP");
    let refusals = contract.table("Files over HTTP");
    let relay = Relay::start(&place::artifacts("files_answer_as_promised").join("relay.log")).await;
    let bytes = files::noise(5, 1_000);
    let id = files::id(&bytes);
    let uploads = relay.url("/api/v1/uploads");
    let stream = ("content-type", "application/offset+octet-stream");

    let able = tus::send("OPTIONS", &uploads, &[], b"").await;
    assert!(section.contains("`Tus-Max-Size`") && !able.header("tus-max-size").is_empty());
    for extension in able.header("tus-extension").split(',') {
        assert!(section.contains(extension), "{extension}");
    }
    for algorithm in able.header("tus-checksum-algorithm").split(',') {
        assert!(section.contains(algorithm), "{algorithm}");
    }
    let made = tus::send("POST", &uploads, &[("upload-length", "1000")], b"").await;
    let upload = relay.url(made.header("location"));
    let whole = tus::send("PATCH", &upload, &[stream, ("upload-offset", "0")], &bytes).await;
    for (name, value) in [("Chanterelle-Blob", &*id), ("Chanterelle-Url", &*format!("/media/{id}"))] {
        assert!(section.contains(&format!("`{name}")), "{name}");
        let told = whole.header(&name.to_ascii_lowercase());
        assert!(told.ends_with(value), "{name}: {told}");
    }
    let file = relay.get(&format!("/media/{id}")).await;
    assert_eq!((file.status, file.header("etag")), (200, &*format!("\"{id}\"")));
    assert_eq!(file.header("content-type"), "application/octet-stream");

    let content = relay.get(&format!("/api/v1/content/{id}")).await.json();
    let about =
        section.split("\n- ").find(|part| part.starts_with("`GET /api/v1/content")).expect("a paragraph");
    for key in content.as_object().expect("an object").keys() {
        assert!(codes(about).contains(key), "{key} is not promised");
    }
    for key in ["id", "size", "type", "stored", "url", "renditions", "pins"] {
        assert!(codes(about).iter().any(|code| code == key) && content.get(key).is_some(), "{key}");
    }

    let open = tus::send("POST", &uploads, &[("upload-length", "1000")], b"").await;
    let open = relay.url(open.header("location"));
    let zeros = relay.url(&format!("/media/{}", "0".repeat(64)));
    let media = relay.url(&format!("/media/{id}"));
    let sum = ("upload-checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let at = |offset: &'static str| ("upload-offset", offset);
    for (status, answer) in [
        (404, tus::send("GET", &zeros, &[], b"").await),
        (409, tus::send("PATCH", &open, &[stream, at("1")], b"bytes").await),
        (412, http::send("HEAD", &open, &[("tus-resumable", "0.1.0")], b"").await.expect("an answer")),
        (413, tus::send("PATCH", &open, &[stream, at("0")], &[0; 1_001]).await),
        (415, tus::send("PATCH", &open, &[at("0")], b"bytes").await),
        (416, tus::send("GET", &media, &[("range", "bytes=1000-")], b"").await),
        (460, tus::send("PATCH", &open, &[stream, at("0"), sum], b"bytes").await),
    ] {
        assert_eq!(answer.status, status);
        // An answer to `HEAD` has no body.
        if status != 412 {
            let code = answer.json()["error"]["code"].as_str().expect("a code").to_owned();
            assert!(row(&refusals, &status.to_string()).codes.contains(&code), "{status} {code}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let relay = Relay::start(&place::artifacts("what_is_not_there_is_404").join("relay.log")).await;
    let html = [("accept", "text/html,*/*;q=0.8")];
    for path in [
        "/nothing",
        "/b",
        "/b/",
        "/b/Not-A-Board",
        "/b/x/t/123",
        "/b/x/y",
        "/assets/missing.js",
        "/missing.wasm",
        "/index.htm",
        "/api/v1/nothing",
        "/api/v1/events",
        "/..%2f..%2fetc/passwd",
    ] {
        let answer = relay.get_with(path, &html).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains(".wasm"), "{path} is answered with the page");
        let answer = relay.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        let error = &answer.json()["error"];
        for key in ["code", "message", "id"] {
            assert!(error[key].as_str().is_some_and(|text| !text.is_empty()), "{path}: {error}");
        }
    }
    for path in ["/", "/b/x", &format!("/b/x/t/{}", "0".repeat(64)), "/peers", "/settings"] {
        let answer = relay.get_with(path, &html).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert!(answer.header("content-security-policy").contains("object-src 'none'"), "{path}");
    }
}

fn chanterelle(arguments: &[&str]) -> Output {
    let binary = place::relay_binary().unwrap_or_else(|error| panic!("{error}"));
    Command::new(binary).args(arguments).output().expect("the relay can be started")
}

#[tokio::test]
async fn a_relay_that_cannot_start_says_why_in_one_line() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("file");
    File::create(&file).expect("the folder can be written");
    let below = file.join("data");
    let below = below.to_str().expect("the path is text");
    let relay = Relay::start(&place::artifacts("a_relay_that_cannot_start").join("relay.log")).await;
    let taken = relay.address().to_string();
    let data = folder.path().join("data");
    let data = data.to_str().expect("the path is text");
    let free = free_address().to_string();
    for (arguments, word) in [
        (["--listen", taken.as_str(), "--data", data], taken.as_str()),
        (["--listen", "nonsense", "--data", data], "listen"),
        (["--listen", free.as_str(), "--data", below], below),
        (["--listen", free.as_str(), "--nonsense", data], "nonsense"),
        (["--listen", free.as_str(), "--data", relay.data().to_str().expect("the path is text")], "in use"),
    ] {
        let output = chanterelle(&[&["serve"], arguments.as_slice()].concat());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {complaint}");
        let lines: Vec<&str> = complaint.lines().filter(|line| line.starts_with("chanterelle: ")).collect();
        assert_eq!(lines.len(), 1, "{arguments:?}: {complaint}");
        assert!(lines[0].contains(word), "{arguments:?}: {complaint}");
    }
    let help = chanterelle(&["serve", "--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success() && text.contains("--listen") && text.contains("--data"), "{text}");
}

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(place::root()).arg("xtask").args(arguments);
    command
}

fn text_of(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn the_commands_are_there() {
    let contract = Contract::read();
    let help = xtask(&["--help"]).output().expect("cargo can be started");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let mut found = 0;
    for command in contract
        .table("Commands")
        .keys()
        .filter_map(|cell| cell.trim_matches('`').strip_prefix("cargo xtask "))
    {
        let name = command.split(' ').next().unwrap_or_default();
        let line = help.lines().find(|line| line.trim_start().split(' ').next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("`cargo xtask --help` does not name {name}:\n{help}"));
        for option in command.split(['[', ']', ' ']).filter(|word| word.starts_with("--")) {
            assert!(line.contains(option), "{option} of {name} is not in {line:?}");
        }
        found += 1;
    }
    assert!(found >= 7, "{found} commands in the document");
}

#[tokio::test]
async fn xtask_run_serves_the_page_until_it_is_ended() {
    let address = free_address();
    let data = TempDir::new().expect("a temporary folder");
    let log = place::artifacts("xtask_run").join("output.log");
    let _ = std::fs::remove_file(&log);
    let port = address.port().to_string();
    let mut command = xtask(&["run", "--port", &port, "--data"]);
    let run = Process::start("cargo xtask run", command.arg(data.path()), &log);
    let line = format!("Chanterelle is ready: http://127.0.0.1:{port}/");
    wait::within(BUILD_PATIENCE, "cargo xtask run to be ready", async || {
        let text = text_of(&log);
        assert!(run.ended().is_none(), "cargo xtask run ended:\n{text}");
        wait::holds(text.lines().any(|found| found == line), || text)
    })
    .await;
    let page = http::get(&format!("http://{address}/"), &[("accept", "text/html")])
        .await
        .expect("the relay answers");
    assert_eq!(page.status, 200);
    assert!(page.text().contains(".wasm"), "it is the page: {}", page.text());
    let status = run.terminate().await;
    assert!(status.success(), "it ended with {status}:\n{}", text_of(&log));
    assert!(http::get(&format!("http://{address}/livez"), &[]).await.is_err(), "the relay has ended with it");
}

#[test]
fn xtask_sim_gives_one_trace_for_one_seed() {
    let run = |seed: &str| {
        let output = xtask(&["sim", "--peers", "8", "--minutes", "1", "--seed", seed])
            .output()
            .expect("cargo can be started");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        let trace = text.lines().find_map(|line| line.strip_prefix("trace ")).map(str::to_owned);
        trace.unwrap_or_else(|| panic!("no trace in {text}"))
    };
    let first = run("7");
    assert!(is_hexadecimal(&first, 64), "{first}");
    assert_eq!(first, run("7"));
    assert_ne!(first, run("8"));
}
