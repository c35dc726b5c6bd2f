//! Friend codes: a link is enough to find somebody, and what is hostile in one leads nowhere.

use chanterelle_core::base::{BoardName, Seconds};
use chanterelle_core::crypto::{Identity, Root, SecretKey};
use chanterelle_core::invite::{Address, FriendCode};
use chanterelle_e2e::browser::Browser;
use chanterelle_e2e::elements::Scope;
use chanterelle_e2e::relay::Relay;
use chanterelle_e2e::stage::play;
use chanterelle_e2e::wait;
use data_encoding::BASE64;
use fantoccini::Locator;
use serde_json::json;

/// How many sessions a relay has.
async fn sessions(relay: &Relay) -> f64 {
    relay.metrics().await["chanterelle_sessions"]
}

/// What stands in the address bar.
async fn address(browser: &Browser) -> String {
    browser.client().current_url().await.expect("a page has an address").to_string()
}

#[test]
fn a_link_is_enough() {
    play("a_link_is_enough", async |stage| {
        let (home, other) = (stage.relay().await, stage.relay().await);
        let [words, answer] = ["opening", "answer"].map(|about| stage.word(about));
        // Ann is at one relay, and Ben's page comes from another that knows nothing of it.
        let ann = stage.browser("ann").await;
        ann.open(&home.url("/b/links?lang=en")).await;
        ann.new_thread("Links", &words).await;
        ann.open(&home.url("/me?lang=en")).await;
        ann.name_oneself("Ann").await;
        let link = ann.friend_code("links").await;
        let (_, code) = link.split_once("/f#").expect("the link of a friend code");

        let ben = stage.browser("ben").await;
        ben.open(&other.url(&format!("/f?lang=en#{code}"))).await;
        assert_eq!(address(&ben).await, other.url("/f"), "the code has left the address bar");
        ben.find(Scope::Page, "heading", "Ann").await;
        let shown = ben.client().source().await.expect("the page has a text");
        assert!(shown.contains(&home.address().to_string()), "the host is named before it is contacted");
        assert_eq!(sessions(&home).await, 1.0, "and nobody was contacted");

        ben.click(Scope::Page, "button", "Connect").await;
        ben.path_that("Ann's board", |path| path == "/b/links").await;
        wait::until("Ben to be where Ann is", async || {
            let count = sessions(&home).await;
            wait::holds(count == 2.0, || format!("{count} sessions"))
        })
        .await;
        ben.find(Scope::Page, "link", "Links").await.click().await.expect("a thread can be opened");
        ben.post_with(&words).await;
        ben.reply(&answer).await;

        ann.open(&home.url("/b/links?lang=en")).await;
        ann.find(Scope::Page, "link", "Links").await.click().await.expect("a thread can be opened");
        ann.post_with(&answer).await;
        // After a reload Ben's page knows Ann, and where she is.
        ben.open(&other.url("/me?lang=en")).await;
        let friends = ben.find(Scope::Page, "list", "Friends").await;
        wait::until("Ann to have been heard of", async || {
            let text = friends.text().await.map_err(|error| error.to_string())?;
            wait::holds(text.contains("Ann") && text.contains("last heard of"), || text)
        })
        .await;
        wait::until("Ben to be at both relays", async || {
            let counts = (sessions(&home).await, sessions(&other).await);
            wait::holds(counts == (2.0, 1.0), || format!("{counts:?}"))
        })
        .await;
    });
}

/// Draws the QR code in the middle of a white picture, 640 by 480; how bright each pixel is, as Base64.
const LUMA: &str = "
    const code = arguments[0];
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [640, 480];
    const context = canvas.getContext('2d');
    context.fillStyle = 'white';
    context.fillRect(0, 0, 640, 480);
    const picture = new Image();
    const text = new XMLSerializer().serializeToString(code);
    picture.src = 'data:image/svg+xml,' + encodeURIComponent(text);
    await picture.decode();
    context.drawImage(picture, 100, 20, 440, 440);
    const {data} = context.getImageData(0, 0, 640, 480);
    let luma = '';
    for (let i = 0; i < data.length; i += 4) luma += String.fromCharCode(data[i]);
    return btoa(luma);";

#[test]
fn a_code_is_read_by_the_camera_and_from_a_picture() {
    play("a_code_is_read_by_the_camera_and_from_a_picture", async |stage| {
        let relay = stage.relay().await;
        let ann = stage.browser("ann").await;
        ann.open(&relay.url("/b/links?lang=en")).await;
        ann.new_thread("Links", &stage.word("opening")).await;
        ann.open(&relay.url("/me?lang=en")).await;
        ann.name_oneself("Ann").await;
        ann.friend_code("links").await;
        // High enough for all of the code.
        ann.look(1280, 2000, false).await;
        let code = ann.find(Scope::Page, "image", "Friend code QR").await;
        let picture = stage.folder().join("code.png");
        let shot = code.screenshot().await.expect("a picture of the code");
        std::fs::write(&picture, shot).expect("the folder takes files");

        // Grey pictures: the brightness of each pixel, then the middle of both colours (YUV4MPEG2, C420).
        let luma = ann.script(LUMA, &[json!(code)]).await.expect("the page draws the code");
        let luma = BASE64.decode(luma.as_str().expect("a text").as_bytes()).expect("Base64");
        let frame = [b"FRAME\n".as_slice(), &luma, &[128; 320 * 240 * 2]].concat();
        let head = b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n";
        let seen = stage.folder().join("camera.y4m");
        std::fs::write(&seen, [head.as_slice(), &frame, &frame].concat()).expect("the folder takes files");

        let ben = stage.browser_with_camera("ben", seen).await;
        ben.open(&relay.url("/f?lang=en")).await;
        ben.click(Scope::Page, "button", "Scan with the camera").await;
        ben.find(Scope::Page, "heading", "Ann").await;

        let cleo = stage.browser("cleo").await;
        cleo.open(&relay.url("/f?lang=en")).await;
        cleo.click(Scope::Page, "button", "Scan with the camera").await;
        alert(&cleo, "camera").await;
        let input =
            cleo.client().find(Locator::Css("input[type=file]")).await.expect("pictures can be chosen");
        let no_code = stage.folder().join("none.png");
        std::fs::write(&no_code, "no picture").expect("the folder takes files");
        for (file, words) in [(&no_code, Some("picture")), (&picture, None)] {
            input.send_keys(&file.display().to_string()).await.expect("a file can be chosen");
            match words {
                Some(words) => alert(&cleo, words).await,
                None => drop(cleo.find(Scope::Page, "heading", "Ann").await),
            }
        }
    });
}

#[test]
fn a_friend_who_moved_is_found_by_their_reach_record() {
    play("a_friend_who_moved_is_found_by_their_reach_record", async |stage| {
        // Three relays that know nothing of each other.
        let (old, new, other) = (stage.relay().await, stage.relay().await, stage.relay().await);
        let [words, answer] = ["opening", "answer"].map(|about| stage.word(about));
        let ann = stage.browser("ann").await;
        ann.open(&old.url("/b/moving?lang=en")).await;
        ann.new_thread("Moving", &words).await;
        ann.open(&old.url("/me?lang=en")).await;
        ann.name_oneself("Ann").await;
        let link = ann.friend_code("moving").await;
        let (_, code) = link.split_once("/f#").expect("the link of a friend code");

        // Cleo is at the new relay, and Ann goes there because of her.
        let cleo = stage.browser("cleo").await;
        cleo.open(&new.url("/b/moving?lang=en")).await;
        cleo.new_thread("From the new relay", &stage.word("new")).await;
        cleo.open(&new.url("/me?lang=en")).await;
        let to_cleo = cleo.friend_code("moving").await;
        let (_, to_cleo) = to_cleo.split_once("/f#").expect("the link of a friend code");
        ann.open(&old.url(&format!("/f?lang=en#{to_cleo}"))).await;
        ann.click(Scope::Page, "button", "Connect").await;
        wait_for_sessions(&new, 2.0).await;

        // Ben has Ann's code from before, which knows the old relay alone.
        let ben = stage.browser("ben").await;
        ben.open(&other.url(&format!("/f?lang=en#{code}"))).await;
        ben.click(Scope::Page, "button", "Connect").await;
        wait_for_sessions(&new, 3.0).await;
        ann.kept().await;
        old.stop().await;
        ben.find(Scope::Page, "link", "Moving").await.click().await.expect("a thread can be opened");
        ben.post_with(&words).await;
        ben.reply(&answer).await;
        ann.open(&old.url("/b/moving?lang=en")).await;
        ann.find(Scope::Page, "link", "Moving").await.click().await.expect("a thread can be opened");
        ann.post_with(&answer).await;
        old.start_again().await;
    });
}

async fn wait_for_sessions(relay: &Relay, count: f64) {
    wait::until(&format!("{count} sessions"), async || {
        let there = sessions(relay).await;
        wait::holds(there == count, || format!("{there} sessions"))
    })
    .await;
}

fn key() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

fn code(change: impl FnOnce(&mut FriendCode)) -> String {
    let reach = Identity::from_root(Root([7; 32])).reach(0);
    let mut code = FriendCode::new(key().public(), reach);
    code.name = Some("Mallory".to_owned());
    code.board = Some(BoardName::new("links").expect("a board name"));
    change(&mut code);
    code.sign(&key())
}

/// `/ip4/…/tcp/443/tls/ws`, or without TLS.
fn ip4(bytes: [u8; 4], tls: bool) -> Address {
    let rest: &[u8] = if tls { &[0xc0, 0x03, 0xdd, 0x03] } else { &[0xdd, 0x03] };
    let bytes = [&[0x04], bytes.as_slice(), &[0x06, 0x01, 0xbb], rest].concat();
    Address::new(&bytes).expect("the length of an address")
}

/// `/dns4/NAME/tcp/443/tls/ws`.
fn dns4(name: &str) -> Address {
    dns4_then(name, &[0xc0, 0x03, 0xdd, 0x03])
}

/// `/dns4/relay.example/tcp/443`, and a WebSocket with a path: `/tls/x-parity-ws/PATH`, or `/x-parity-wss/PATH`.
fn with_path(socket: &[u8], path: &str) -> Address {
    let length = u8::try_from(path.len()).expect("a short path");
    dns4_then("relay.example", &[socket, &[length], path.as_bytes()].concat())
}

/// `/dns4/NAME/tcp/443`, and what follows.
fn dns4_then(name: &str, rest: &[u8]) -> Address {
    let length = u8::try_from(name.len()).expect("a short name");
    let bytes = [&[0x36, length], name.as_bytes(), &[0x06, 0x01, 0xbb], rest].concat();
    Address::new(&bytes).expect("the length of an address")
}

#[test]
fn what_is_hostile_in_a_code_leads_nowhere() {
    play("what_is_hostile_in_a_code_leads_nowhere", async |stage| {
        let relay = stage.relay().await;
        let a = stage.browser("a").await;
        let good = code(|_| {});
        let mut damaged = good.clone();
        damaged.replace_range(60..61, if &good[60..61] == "q" { "p" } else { "q" });
        let relays = |address: Address| code(|code| code.relays = vec![address]);
        let cases = [
            ("damaged", damaged),
            ("damaged", good[..good.len() - 4].to_owned()),
            ("begins with chan1", "https://example.com/".to_owned()),
            ("longer than a friend code", format!("chan1{}", "q".repeat(5_000))),
            ("expired", code(|code| code.expires = Some(Seconds(1_600_000_000)))),
            ("markup", code(|code| code.name = Some("<img src=x onerror=alert(1)>".to_owned()))),
            ("user name or password", format!("https://bank.example@evil.example/f#{good}")),
            ("private network", relays(ip4([10, 1, 2, 3], true))),
            ("private network", relays(ip4([169, 254, 169, 254], true))),
            ("private network", relays(dns4("printer.local"))),
            ("without encryption", relays(ip4([93, 184, 215, 14], false))),
            ("no relay's", relays(dns4("user:secret@relay.example"))),
            ("no relay's", relays(dns4("2130706433"))),
            ("no relay's", relays(with_path(&[0xc0, 0x03, 0xa2, 0x25], "@192.168.1.1/"))),
            ("no relay's", relays(with_path(&[0xc0, 0x03, 0xa2, 0x25], "1/"))),
            ("no relay's", relays(with_path(&[0xac, 0x25], "@192.168.1.1/"))),
        ];
        a.open(&relay.url("/f?lang=en")).await;
        for (words, code) in &cases {
            // By hand, as somebody pastes it; and as an address.
            a.fill(Scope::Page, "Friend code", code).await;
            a.click(Scope::Page, "button", "Open friend code").await;
            alert(&a, words).await;
            if code.starts_with("chan1") {
                a.open(&relay.url("/f?lang=en")).await;
                a.script("location.hash = arguments[0]", &[code.as_str().into()]).await.expect("an address");
                alert(&a, words).await;
                assert_eq!(address(&a).await, relay.url("/f"), "it has left the address bar all the same");
            }
            assert!(a.all(Scope::Page, "button", Some("Connect")).await.expect("a page").is_empty());
            a.open(&relay.url("/f?lang=en")).await;
        }

        // One that is good is still taken, and one's own is told apart.
        a.fill(Scope::Page, "Friend code", &good).await;
        a.click(Scope::Page, "button", "Open friend code").await;
        a.find(Scope::Page, "heading", "Mallory").await;
        a.open(&relay.url("/me?lang=en")).await;
        let own = a.find(Scope::Page, "textbox", "Friend code").await;
        let own = own.prop("value").await.expect("a value").expect("a link");
        a.open(&relay.url("/f?lang=en")).await;
        a.fill(Scope::Page, "Friend code", &own).await;
        a.click(Scope::Page, "button", "Open friend code").await;
        alert(&a, "your own").await;

        let (_, log) = stage.close(&a).await;
        for host in
            ["10.1.2.3", "169.254.169.254", "192.168.1.1", "printer.local", "93.184.215.14", "relay.example"]
        {
            let asked = log.requests.iter().any(|request| request.url.contains(host));
            assert!(!asked, "{host} was contacted");
        }
    });
}

async fn alert(browser: &Browser, words: &str) {
    wait::until(&format!("an alert with {words:?}"), async || {
        let alerts = browser.alerts().await?;
        wait::holds(alerts.iter().any(|text| text.contains(words)), || format!("the alerts are {alerts:?}"))
    })
    .await;
}
