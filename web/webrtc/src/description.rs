//! What the descriptions of two connections differ in, for whoever has to pass them on by hand (SDP, RFC 8866; for data
//! channels RFC 8841).

use std::fmt::Write as _;

/// One side of a connection. Whatever stands in it comes into a description as it is: whoever takes it from somebody else
/// sees to it that nothing is more than one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// `ice-ufrag` (RFC 8839, section 5.4).
    pub ufrag: String,
    /// `ice-pwd`.
    pub pwd: String,
    /// SHA-256 of the certificate (RFC 8122, section 5).
    pub fingerprint: [u8; 32],
    /// Where packets may be sent, the best first.
    pub candidates: Vec<Candidate>,
}

/// Where packets may be sent, over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// `host`, `srflx` or `relay`.
    pub kind: String,
    /// IP address, or a name that a browser made up for one.
    pub address: String,
    /// Port.
    pub port: u16,
}

impl Description {
    /// Of a browser's description; `None` when that lacks something.
    pub(crate) fn of(sdp: &str) -> Option<Description> {
        let value = |name: &str| {
            let mut lines = sdp.lines();
            lines.find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
        };
        let hex = value("fingerprint")?.strip_prefix("sha-256 ")?;
        let mut fingerprint = [0; 32];
        let mut bytes = hex.split(':').map(|byte| u8::from_str_radix(byte, 16));
        for byte in &mut fingerprint {
            *byte = bytes.next()?.ok()?;
        }
        let mut candidates: Vec<(u32, Candidate)> =
            sdp.lines().filter_map(|line| Candidate::of(line.strip_prefix("a=candidate:")?)).collect();
        candidates.sort_by_key(|(priority, _)| u32::MAX - priority);
        Some(Description {
            ufrag: value("ice-ufrag")?.to_owned(),
            pwd: value("ice-pwd")?.to_owned(),
            fingerprint,
            candidates: candidates.into_iter().map(|(_, candidate)| candidate).collect(),
        })
    }

    /// As a browser takes it, of whoever offers or answers. Who answers begins the handshake of DTLS (RFC 8842, section
    /// 5.3).
    pub(crate) fn sdp(&self, offers: bool) -> String {
        let hex: Vec<String> = self.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
        let mut sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
             a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:{}\r\na=mid:0\r\n\
             a=sctp-port:5000\r\na=max-message-size:262144\r\n",
            self.ufrag,
            self.pwd,
            hex.join(":"),
            if offers { "actpass" } else { "active" },
        );
        for (at, Candidate { kind, address, port }) in self.candidates.iter().enumerate() {
            // RFC 8445, section 5.1.2: the kind, then the order.
            let preference: u32 = match kind.as_str() {
                "host" => 126,
                "srflx" => 100,
                _ => 0,
            };
            let order = u32::try_from(at).unwrap_or(u32::MAX).min(65_535);
            let priority = (preference << 24) + ((65_535 - order) << 8) + 255;
            // Of the address behind a NAT nothing is told; a line has to name one all the same.
            let related = if kind == "host" { "" } else { " raddr 0.0.0.0 rport 9" };
            // Nothing can fail where a text grows.
            let _ = write!(sdp, "a=candidate:{at} 1 udp {priority} {address} {port} typ {kind}{related}\r\n");
        }
        sdp
    }
}

impl Candidate {
    /// With its priority; `None` if it is not one over UDP.
    fn of(line: &str) -> Option<(u32, Candidate)> {
        let mut words = line.split(' ').skip(2);
        let (transport, priority) = (words.next()?, words.next()?.parse().ok()?);
        let (address, port) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let ("typ", kind) = (words.next()?, words.next()?) else { return None };
        let is_known = matches!(kind, "host" | "srflx" | "relay");
        (transport.eq_ignore_ascii_case("udp") && is_known)
            .then(|| (priority, Candidate { kind: kind.to_owned(), address, port }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Candidate, Description};
    use crate::candidate::allowed_lines;

    fn candidate(kind: &str, address: &str, port: u16) -> Candidate {
        Candidate { kind: kind.to_owned(), address: address.to_owned(), port }
    }

    fn description() -> Description {
        Description {
            ufrag: "abcd".to_owned(),
            pwd: "0123456789012345678901".to_owned(),
            fingerprint: [0xa5; 32],
            candidates: vec![
                candidate("host", "3f2504e0-4f89-41d3-9a0c-0305e82c3301.local", 50_000),
                candidate("srflx", "192.0.2.1", 50_001),
                candidate("relay", "2001:db8::1", 1),
            ],
        }
    }

    #[test]
    fn a_description_survives_the_way() {
        for offers in [true, false] {
            assert_eq!(Description::of(&description().sdp(offers)), Some(description()));
        }
        assert!(description().sdp(false).contains("a=setup:active\r\n"));
    }

    #[test]
    fn a_browsers_description_is_read_and_others_are_none() {
        let sdp = "v=0\r\no=- 4 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=application 5 UDP/DTLS/SCTP \
                   webrtc-datachannel\r\nc=IN IP4 192.0.2.1\r\na=candidate:2 1 tcp 1518280447 192.0.2.1 9 typ host tcptype \
                   active\r\na=candidate:3 1 udp 1686052607 192.0.2.1 5 typ srflx raddr 0.0.0.0 rport 0 generation 0\r\n\
                   a=candidate:1 1 udp 2122260223 10.0.0.1 7 typ host generation 0 network-id 1\r\na=ice-ufrag:x/+y\r\n\
                   a=ice-pwd:0123456789012345678901\r\na=ice-options:trickle\r\na=fingerprint:sha-256 ";
        let hex = vec!["0F"; 32].join(":");
        let read = Description::of(&format!("{sdp}{hex}\r\na=setup:actpass\r\n")).expect("a description");
        let addresses: Vec<&str> =
            read.candidates.iter().map(|candidate| candidate.address.as_str()).collect();
        assert_eq!(addresses, ["10.0.0.1", "192.0.2.1"], "the best first, and none over TCP");
        assert_eq!((read.ufrag.as_str(), read.fingerprint), ("x/+y", [15; 32]));
        for broken in
            ["", "v=0", sdp, &format!("{sdp}{}\r\n", &hex[..92]), &format!("{sdp}{}Z\r\n", &hex[..94])]
        {
            assert_eq!(Description::of(broken), None, "{broken}");
        }
    }

    /// Lines of a browser's description, whole but for its candidates.
    fn with_candidates(lines: &[&str]) -> String {
        let mut sdp = Description { candidates: Vec::new(), ..description() }.sdp(true);
        lines.iter().for_each(|line| sdp += &format!("a=candidate:{line}\r\n"));
        sdp
    }

    #[test]
    fn priorities_follow_the_kind_and_then_the_order() {
        let kinds = ["host", "host", "srflx", "host", "relay", "srflx", "relay", "host"];
        let mut sent = description();
        sent.candidates = (1..).zip(kinds).map(|(n, kind)| candidate(kind, "192.0.2.1", n)).collect();
        let sdp = sent.sdp(true);
        let words: Vec<Vec<&str>> = sdp
            .lines()
            .filter_map(|line| Some(line.strip_prefix("a=candidate:")?.split(' ').collect()))
            .collect();
        assert_eq!(words.len(), kinds.len());
        let mut foundations: Vec<&str> = words.iter().map(|words| words[0]).collect();
        foundations.dedup();
        assert_eq!(foundations.len(), kinds.len(), "each is another way");
        let priority = |words: &Vec<&str>| words[3].parse::<u32>().expect("a number");
        // RFC 8445, section 5.1.2.
        assert!(words.iter().map(priority).all(|priority| (1..1 << 31).contains(&priority)));
        let read = Description::of(&sdp).expect("a description").candidates;
        let ports: Vec<u16> = read.iter().map(|candidate| candidate.port).collect();
        assert_eq!(ports, [1, 2, 4, 8, 3, 6, 5, 7]);
    }

    #[test]
    fn of_two_with_one_priority_the_first_stays_first() {
        let sdp = with_candidates(&["1 1 udp 7 192.0.2.1 1 typ host", "2 1 UDP 7 192.0.2.1 2 typ host"]);
        let read = Description::of(&sdp).expect("a description");
        assert_eq!(read.candidates, [candidate("host", "192.0.2.1", 1), candidate("host", "192.0.2.1", 2)]);
    }

    #[test]
    fn lines_that_are_no_candidates_are_passed_over() {
        let good = "1 1 udp 4294967295 192.0.2.1 65535 typ host generation 0 ufrag x";
        for line in [
            "",
            " ",
            "1",
            "1 1 udp",
            "1 1 udp 7",
            "1 1 udp 7 192.0.2.1",
            "1 1 udp 7 192.0.2.1 9",
            "1 1 udp 7 192.0.2.1 9 typ",
            "1 1 udp 7 192.0.2.1 9 kind host",
            "1 1 udp 7 192.0.2.1 9 typ prflx",
            "1 1 udp 7 192.0.2.1 9 typ HOST",
            "1 1 udp 7 192.0.2.1 65536 typ host",
            "1 1 udp 7 192.0.2.1 -1 typ host",
            "1 1 udp 4294967296 192.0.2.1 9 typ host",
            "1 1 udp -1 192.0.2.1 9 typ host",
            "1 1 tcp 7 192.0.2.1 9 typ host tcptype passive",
            "1 1 ssltcp 7 192.0.2.1 9 typ host",
            "1  1 udp 7 192.0.2.1 9 typ host",
        ] {
            let read = Description::of(&with_candidates(&[line, good])).expect("a description");
            assert_eq!(read.candidates, [candidate("host", "192.0.2.1", 65_535)], "{line:?}");
        }
    }

    #[test]
    fn what_is_rebuilt_leads_only_where_it_is_allowed() {
        let mut sent = description();
        sent.candidates.push(candidate("host", "relay.example", 443));
        sent.candidates.push(candidate("host", "10.0.0.1", 22));
        let heard = allowed_lines(&sent.sdp(true), |address| address == "192.0.2.1");
        let read = Description::of(&heard).expect("the rest stays");
        assert_eq!(read.candidates, description().candidates[..2]);
    }

    #[test]
    fn a_description_that_lacks_something_is_none() {
        let sdp = description().sdp(false);
        assert!(Description::of(&sdp.replace("\r\n", "\n")).is_some(), "whatever ends a line");
        for (whole, broken) in [
            ("a=ice-ufrag:", "a=ice-name:"),
            ("a=ice-pwd:", "b=ice-pwd:"),
            ("a=fingerprint:", "a=fingerprints:"),
            ("sha-256 ", "sha-1 "),
            ("A5:A5", "A5A5"),
            ("A5:A5", "A5::A5"),
            ("A5:A5", "A5:1A5"),
        ] {
            assert_eq!(Description::of(&sdp.replacen(whole, broken, 1)), None, "{whole} as {broken}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_passed_on_survives_the_way(
            ufrag in "[a-zA-Z0-9+/]{4,64}",
            pwd in "[a-zA-Z0-9+/]{22,64}",
            fingerprint in any::<[u8; 32]>(),
            mut candidates in proptest::collection::vec(
                ("host|srflx|relay", "[0-9a-f:.-]{1,64}", 1..=u16::MAX), 0..9
            ),
        ) {
            let rank = |kind: &str| ["host", "srflx", "relay"].iter().position(|other| *other == kind);
            candidates.sort_by_key(|(kind, ..)| rank(kind));
            let candidates = candidates.iter().map(|(kind, address, port)| candidate(kind, address, *port));
            let sent = Description { ufrag, pwd, fingerprint, candidates: candidates.collect() };
            prop_assert_eq!(Description::of(&sent.sdp(true)), Some(sent));
        }

        #[test]
        fn no_text_is_too_much(text in "(a=(fingerprint:sha-256 |ice-ufrag:|ice-pwd:|candidate:)?[ -~]{0,80}\r\n|\\PC{0,40}){0,9}") {
            let _ = Description::of(&text);
        }
    }
}
