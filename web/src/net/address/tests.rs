//! Which addresses are dialled, by whoever gave them, and how they are read.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::{
    Given, Origin, Refusal, is_authority, judge, may_send_from, may_send_to_from, read, text, url,
    without_peer,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn origin(scheme: &str, host: &str, port: &str) -> Origin {
    Origin { scheme: scheme.to_owned(), host: host.to_owned(), port: port.to_owned() }
}

fn told(address: &str, origin: &Origin) -> Option<String> {
    let address = address.parse().expect("an address");
    judge(&address, origin).ok().and_then(|_| url(&address))
}

#[test]
fn a_refusal_tells_why() {
    let page = origin("https:", "board.example", "");
    let why = |address: &str| judge(&address.parse().expect("an address"), &page);
    assert_eq!(why("/dns4/relay.example/tcp/443/tls/ws"), Ok("relay.example".to_owned()));
    assert_eq!(why("/dns4/relay.example/tcp/8443/wss"), Ok("relay.example:8443".to_owned()));
    assert_eq!(why("/ip6/2606:4700::1111/tcp/443/tls/ws"), Ok("[2606:4700::1111]".to_owned()));
    assert_eq!(why("/dns4/relay.example/tcp/80/ws"), Err(Refusal::Plain));
    assert_eq!(why("/ip4/10.0.0.1/tcp/443/tls/ws"), Err(Refusal::Private));
    assert_eq!(why("/dns4/router/tcp/443/tls/ws"), Err(Refusal::Private));
    assert_eq!(why("/ip4/192.0.2.1/udp/443/quic-v1"), Err(Refusal::Form));
    assert_eq!(why("/dns4/user:secret@relay.example/tcp/443/tls/ws"), Err(Refusal::Form));
}

#[test]
fn a_text_is_read_as_libp2p_reads_it() {
    for text in [
        "/ip4/192.0.2.1/tcp/8080/ws",
        "/ip6/2606:4700::1111/tcp/443/tls/ws",
        "/dns/relay.example/tcp/443/wss",
        "/dns4/relay.example/tcp/443/tls/ws",
        "/dns6/relay.example/tcp/443",
    ] {
        let address = text.parse().expect("an address");
        assert_eq!(read(text), Some(address), "{text}");
        assert_eq!(read(&format!("{text}/p2p/{}", libp2p::PeerId::random())), read(text));
    }
    for text in [
        "",
        "/",
        "relay.example",
        "dns4/relay.example/tcp/443/wss",
        "/dns4/relay.example",
        "/dns4/relay.example/tcp",
        "/dns4/relay.example/tcp/65536/wss",
        "/dns4/relay.example/tcp/443/wss/x",
        "/dns4/relay.example/tcp/443/wss/p2p",
        "/dns4/relay.example/tcp/443/wss/p2p/R/p2p-circuit/p2p/T",
        "/dns4/relay.example/udp/443/quic-v1",
        "/ip4/relay.example/tcp/443/wss",
        "/ip6/192.0.2.1/tcp/443/wss",
        "https://relay.example",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn a_relay_is_known_by_its_address_and_not_by_its_key() {
    let plain: Multiaddr = "/dns4/relay.example/tcp/443/tls/ws".parse().expect("an address");
    let with_key = plain.clone().with_p2p(libp2p::PeerId::random()).expect("no key yet");
    assert_eq!(without_peer(with_key), plain);
    assert_eq!(without_peer(plain.clone()), plain);
}

#[test]
fn the_origin_is_dialled_the_way_the_page_came() {
    let cases = [
        (origin("https:", "board.example", ""), "/dns/board.example/tcp/443/tls/ws"),
        (origin("https:", "192.168.1.7", "8443"), "/ip4/192.168.1.7/tcp/8443/tls/ws"),
        (origin("http:", "127.0.0.1", "8080"), "/ip4/127.0.0.1/tcp/8080/ws"),
        (origin("http:", "localhost", ""), "/dns/localhost/tcp/80/ws"),
        (origin("http:", "[::1]", "8080"), "/ip6/::1/tcp/8080/ws"),
    ];
    for (origin, address) in cases {
        assert_eq!(origin.address().expect("may be dialled").to_string(), address);
    }
    for host in ["board.example", "192.168.1.7", "[fe80::1]"] {
        assert!(origin("http:", host, "8080").address().is_err(), "{host} without https");
    }
}

#[test]
fn a_path_cannot_lead_elsewhere_than_the_host_that_was_judged() {
    let page = origin("https:", "board.example", "");
    let judged = |path: &str, is_wss: bool| {
        let mut address = Multiaddr::empty();
        address.push(Protocol::Dns4("relay.example".into()));
        address.push(Protocol::Tcp(443));
        if is_wss {
            address.push(Protocol::Wss(path.into()));
        } else {
            address.push(Protocol::Tls);
            address.push(Protocol::Ws(path.into()));
        }
        // As it comes in a friend code.
        let address = Multiaddr::try_from(address.to_vec()).expect("an address");
        (judge(&address, &page), url(&address))
    };
    for is_wss in [false, true] {
        for path in ["@192.168.1.1/", "1/", "", "x", "/x", "//", "/?x", "#"] {
            assert_eq!(judged(path, is_wss), (Err(Refusal::Form), None), "{path:?}");
        }
        let url = Some("wss://relay.example:443/".to_owned());
        assert_eq!(judged("/", is_wss), (Ok("relay.example".to_owned()), url));
    }
}

#[test]
fn strangers_cannot_send_a_tab_into_private_networks() {
    let page = origin("https:", "board.example", "");
    let development = origin("http:", "127.0.0.1", "8080");
    for (address, url) in [
        ("/dns4/relay.example/tcp/443/tls/ws", "wss://relay.example:443/"),
        ("/dns/relay.example/tcp/443/wss", "wss://relay.example:443/"),
        ("/ip4/93.184.215.14/tcp/4001/tls/ws", "wss://93.184.215.14:4001/"),
        ("/ip4/192.0.1.1/tcp/443/tls/ws", "wss://192.0.1.1:443/"),
        ("/ip4/198.20.0.1/tcp/443/tls/ws", "wss://198.20.0.1:443/"),
        ("/ip6/2606:4700::1111/tcp/443/tls/ws", "wss://[2606:4700::1111]:443/"),
    ] {
        assert_eq!(told(address, &page).as_deref(), Some(url));
        assert_eq!(told(address, &development).as_deref(), Some(url));
    }
    for address in [
        "/dns4/relay.example/tcp/80/ws",
        "/dns4/printer.local/tcp/443/tls/ws",
        "/dns4/printer.LOCAL/tcp/443/tls/ws",
        "/dns4/router/tcp/443/tls/ws",
        "/dns4/nas.lan/tcp/443/tls/ws",
        "/dns4/metadata.google.internal/tcp/443/tls/ws",
        "/dns4/127.1/tcp/443/tls/ws",
        "/dns4/2130706433/tcp/443/tls/ws",
        "/dns4/a.0x7f/tcp/443/tls/ws",
        "/dns4/relay.example./tcp/443/tls/ws",
        "/dns4/relay_.example/tcp/443/tls/ws",
        "/dns4/user@relay.example/tcp/443/tls/ws",
        "/dns4/relay.example#x/tcp/443/tls/ws",
        "/ip4/10.1.2.3/tcp/443/tls/ws",
        "/ip4/172.16.0.1/tcp/443/tls/ws",
        "/ip4/192.168.0.1/tcp/443/tls/ws",
        "/ip4/169.254.169.254/tcp/443/tls/ws",
        "/ip4/100.64.0.1/tcp/443/tls/ws",
        "/ip4/192.0.0.8/tcp/443/tls/ws",
        "/ip4/198.18.0.1/tcp/443/tls/ws",
        "/ip4/198.19.255.255/tcp/443/tls/ws",
        "/ip4/0.0.0.0/tcp/443/tls/ws",
        "/ip6/fe80::1/tcp/443/tls/ws",
        "/ip6/fd00::1/tcp/443/tls/ws",
        "/ip6/::ffff:10.0.0.1/tcp/443/tls/ws",
        "/ip6/2002:a00:1::/tcp/443/tls/ws",
        "/ip4/93.184.215.14/tcp/4001",
        "/ip4/93.184.215.14/udp/4001/quic-v1",
    ] {
        assert_eq!(told(address, &page), None, "{address}");
        assert_eq!(told(address, &development), None, "{address} in development");
    }
    for address in ["/ip4/127.0.0.1/tcp/9/ws", "/ip6/::1/tcp/9/ws", "/dns/localhost/tcp/9/tls/ws"] {
        assert_eq!(told(address, &page), None, "{address}");
        assert!(told(address, &development).is_some(), "{address} in development");
    }
}

const RELAY: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
const TAB: &str = "12D3KooWRBhwfeP2Y4TCx1SM6s9rUoHhR5STiGwxBhgFRcw3UERE";

#[test]
fn a_person_gives_a_relay_by_its_url_or_its_address() {
    let page = origin("https:", "board.example", "");
    let relay = |given: &str, origin: &Origin| match Given::read(given, origin) {
        Ok(Given::Relay(address)) => Ok(address.to_string()),
        Ok(Given::Tab(..)) => panic!("{given} is no tab"),
        Err(why) => Err(why),
    };
    for (given, address) in [
        ("https://relay.example", "/dns/relay.example/tcp/443/tls/ws"),
        (" https://relay.example/b/x?lang=en#y \n", "/dns/relay.example/tcp/443/tls/ws"),
        ("https://relay.example:8443/", "/dns/relay.example/tcp/8443/tls/ws"),
        ("wss://relay.example", "/dns/relay.example/tcp/443/tls/ws"),
        ("https://93.184.215.14", "/ip4/93.184.215.14/tcp/443/tls/ws"),
        ("https://[2606:4700::1111]", "/ip6/2606:4700::1111/tcp/443/tls/ws"),
        ("https://[2606:4700::1111]:8443/", "/ip6/2606:4700::1111/tcp/8443/tls/ws"),
        ("/dns4/relay.example/tcp/443/wss", "/dns4/relay.example/tcp/443/wss"),
        (&format!("/dns4/relay.example/tcp/443/tls/ws/p2p/{RELAY}"), "/dns4/relay.example/tcp/443/tls/ws"),
    ] {
        assert_eq!(relay(given, &page).as_deref(), Ok(address), "{given}");
    }
    for (given, why) in [
        ("", Refusal::Form),
        ("relay.example", Refusal::Form),
        ("ftp://relay.example", Refusal::Form),
        ("https://", Refusal::Form),
        ("https:///x", Refusal::Form),
        ("https://relay.example:0", Refusal::Form),
        ("https://relay.example:65536", Refusal::Form),
        ("https://relay.example:+443", Refusal::Form),
        ("https://relay.example:", Refusal::Form),
        ("https://[2606:4700::1111]x", Refusal::Form),
        ("https://[2606:4700::1111", Refusal::Form),
        ("https://user@relay.example", Refusal::Form),
        ("https://user:secret@relay.example/", Refusal::Form),
        ("https://relay example", Refusal::Form),
        ("/dns4/relay.example/tcp/443", Refusal::Form),
        ("chan1qqqqqq", Refusal::Form),
        ("http://relay.example", Refusal::Plain),
        ("ws://93.184.215.14:8080", Refusal::Plain),
        ("https://192.168.0.1", Refusal::Private),
        ("https://[fd00::1]", Refusal::Private),
        ("https://printer.local", Refusal::Private),
        ("https://router", Refusal::Private),
        ("http://127.0.0.1:8080", Refusal::Private),
    ] {
        assert_eq!(relay(given, &page), Err(why), "{given}");
    }
    let development = origin("http:", "127.0.0.1", "8080");
    let address = Ok("/ip4/127.0.0.1/tcp/8081/ws".to_owned());
    assert_eq!(relay("http://127.0.0.1:8081/", &development), address);
    assert_eq!(relay("https://10.0.0.1", &development), Err(Refusal::Private));
}

#[test]
fn a_person_gives_a_tab_by_a_relay_and_both_ids() {
    let page = origin("https:", "board.example", "");
    let at = |relay: &str| format!("{relay}/p2p/{RELAY}/p2p-circuit/webrtc/p2p/{TAB}");
    for relay in ["/dns4/relay.example/tcp/443/tls/ws", "/ip6/2606:4700::1111/tcp/443/wss"] {
        let given = at(relay);
        let Ok(Given::Tab(peer, address)) = Given::read(&format!(" {given}\n"), &page) else {
            panic!("{given} is a tab");
        };
        assert_eq!((peer.to_string().as_str(), address.to_string()), (TAB, given));
    }
    let good = at("/dns4/relay.example/tcp/443/tls/ws");
    for (given, why) in [
        (good.replace(RELAY, "relay"), Refusal::Form),
        (good.replace(TAB, "tab"), Refusal::Form),
        (good.replace(TAB, ""), Refusal::Form),
        (good.replace(&format!("/p2p/{RELAY}"), ""), Refusal::Form),
        (good.replace("/webrtc", ""), Refusal::Form),
        (good.replace("/webrtc", "/webrtc-direct"), Refusal::Form),
        (format!("{good}/x"), Refusal::Form),
        (format!("{good}/p2p-circuit/webrtc/p2p/{TAB}"), Refusal::Form),
        (at(""), Refusal::Form),
        (at("/memory/1"), Refusal::Form),
        (at("https://relay.example"), Refusal::Form),
        (at("/dns4/relay.example/tcp/80/ws"), Refusal::Plain),
        (at("/ip4/10.0.0.1/tcp/443/tls/ws"), Refusal::Private),
        (at("/dns4/nas.lan/tcp/443/tls/ws"), Refusal::Private),
    ] {
        assert_eq!(Given::read(&given, &page), Err(why), "{given}");
    }
}

#[test]
fn what_is_shown_can_be_given() {
    for address in [
        "/ip4/192.0.2.1/tcp/8080/ws",
        "/ip6/2606:4700::1111/tcp/443/tls/ws",
        "/dns/relay.example/tcp/443/wss",
        "/dns4/relay.example/tcp/443/tls/ws",
        "/dns6/relay.example/tcp/443",
    ] {
        let parsed: Multiaddr = address.parse().expect("an address");
        assert_eq!(text(&parsed).as_deref(), Some(address));
        assert_eq!(read(address), Some(parsed));
    }
    for address in
        ["/memory/1", "/ip4/192.0.2.1/udp/443/quic-v1", "/dns4/relay.example/tcp/443/wss/p2p-circuit"]
    {
        assert_eq!(text(&address.parse().expect("an address")), None, "{address}");
    }
}

#[test]
fn strangers_cannot_have_packets_sent_into_private_networks() {
    let page = origin("https:", "board.example", "");
    let development = origin("http:", "127.0.0.1", "8080");
    for ip in ["93.184.215.14", "192.0.2.1", "2606:4700::1111", "::ffff:93.184.215.14"] {
        assert!(may_send_from(ip, &page) && may_send_from(ip, &development), "{ip}");
    }
    for ip in [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
        "2002:a00:1::",
    ] {
        assert!(!may_send_from(ip, &page), "{ip}");
        assert!(may_send_from(ip, &development), "{ip} in development");
    }
    for text in [
        "",
        "relay.example",
        "printer.local",
        "192.0.2",
        "192.0.2.1:5",
        "[2606:4700::1111]",
        "192.0.2.1 ",
        "fe80::1%1",
    ] {
        assert!(!may_send_from(text, &page) && !may_send_from(text, &development), "{text:?}");
    }
}

#[test]
fn servers_that_strangers_name_are_public() {
    let page = origin("https:", "board.example", "");
    let development = origin("http:", "127.0.0.1", "8080");
    for authority in [
        "stun.example",
        "stun.example:3478",
        "93.184.215.14:3478",
        "[2606:4700::1111]",
        "[2606:4700::1111]:1",
    ] {
        assert!(is_authority(authority) && may_send_to_from(authority, &page), "{authority}");
    }
    for authority in [
        "localhost",
        "router:3478",
        "nas.lan",
        "stun.local:1",
        "10.0.0.1",
        "127.0.0.1:3478",
        "[::1]",
        "[fd00::1]:1",
    ] {
        assert!(is_authority(authority) && !may_send_to_from(authority, &page), "{authority}");
        assert!(may_send_to_from(authority, &development), "{authority} in development");
    }
    for text in [
        "", ":", ":1", "a b", "a:", "a:0", "a:65536", "a:+1", "a:1:1", "[::1", "[::1]x", "[::1]1", "[a]",
        "::1", "a/", "u@a", "1.2.3",
    ] {
        assert!(!is_authority(text), "{text:?}");
        assert!(!may_send_to_from(text, &page) && !may_send_to_from(text, &development), "{text:?}");
    }
}
