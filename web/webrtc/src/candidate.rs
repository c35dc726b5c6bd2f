//! Where candidates lead (RFC 8839, section 5.1), and which of them are given to the browser.
//!
//! A browser that is given a candidate sends packets there. Candidates come from strangers, so only those count that lead
//! over UDP to an address which whoever made the transport allows, or to a name that browsers make up for an address of
//! their own network and that nobody else can answer to (draft-ietf-mmusic-mdns-ice-candidates).

/// Whether packets may be sent to an IP address, as it is written in a candidate.
pub type MayDial = fn(&str) -> bool;

/// A candidate as it is given to the browser; `None` if it may not be. It is built anew from what was understood of it:
/// browsers differ in what they pass over, and must not find another address in it than was allowed.
pub(crate) fn allowed(candidate: &str, may_dial: MayDial) -> Option<String> {
    let text = candidate.strip_prefix("a=").unwrap_or(candidate).strip_prefix("candidate:")?;
    let words: Vec<&str> = text.split(' ').collect();
    let [foundation, component, transport, priority, address, port, "typ", kind, ..] = words[..] else {
        return None;
    };
    let is_foundation = (1..=32).contains(&foundation.len())
        && foundation.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    let is_known = matches!(kind, "host" | "srflx" | "prflx" | "relay");
    if !is_foundation || !is_known || !transport.eq_ignore_ascii_case("udp") {
        return None;
    }
    let component: u16 = component.parse().ok()?;
    let priority: u32 = priority.parse().ok()?;
    let port: u16 = port.parse().ok()?;
    if !is_made_up(address) && !may_dial(address) {
        return None;
    }
    // Where it was found from leads nowhere, but some browsers want a place for it.
    let related = if kind == "host" { "" } else { " raddr 0.0.0.0 rport 9" };
    Some(format!("candidate:{foundation} {component} udp {priority} {address} {port} typ {kind}{related}"))
}

/// A description with those candidates alone that are allowed. Whatever else speaks of candidates is left out, however it
/// is written.
pub(crate) fn allowed_lines(description: &str, may_dial: MayDial) -> String {
    let mut kept = String::with_capacity(description.len());
    for line in description.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        if !line.to_ascii_lowercase().contains("candidate") {
            kept.extend([line, "\r\n"]);
        } else if let Some(candidate) = allowed(line, may_dial) {
            kept.extend(["a=", &candidate, "\r\n"]);
        }
    }
    kept
}

/// A version 4 UUID under `.local` (the draft, section 3.1.1).
fn is_made_up(address: &str) -> bool {
    let Some(name) = address.strip_suffix(".local") else { return false };
    let groups: Vec<&str> = name.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{allowed, allowed_lines};

    fn may_dial(address: &str) -> bool {
        address == "192.0.2.1" || address == "2001:db8::1"
    }

    #[test]
    fn candidates_lead_over_udp_where_it_is_allowed() {
        for (candidate, allowed) in [
            ("candidate:1 1 udp 2113937151 192.0.2.1 54321 typ host generation 0", true),
            ("candidate:1 1 UDP 2113937151 2001:db8::1 54321 typ srflx raddr 0.0.0.0 rport 0", true),
            ("candidate:1 1 udp 1 3f2504e0-4f89-41d3-9a0c-0305e82c3301.local 54321 typ host", true),
            ("candidate:1 1 udp 1 192.168.0.1 80 typ host", false),
            ("candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active", false),
            ("candidate:1 1 udp 1 printer.local 631 typ host", false),
            ("candidate:1 1 udp 1 3f2504e0-4f89-41d3-9a0c-0305e82c330z.local 1 typ host", false),
            ("candidate:1 1 udp 1 relay.example 1 typ host", false),
            ("candidate:1 1 udp  192.0.2.1 10.0.0.1 80 typ host", false),
            ("candidate:1 1 udp x 192.0.2.1 80 typ host", false),
            ("candidate:1 1 udp 1 192.0.2.1 65536 typ host", false),
            ("candidate:1 1 udp 1 192.0.2.1 80 type host", false),
            ("candidate:1 1 udp 1 192.0.2.1 80 typ host\t10.0.0.1", false),
            ("candidate: 1 1 udp 1 192.0.2.1 80 typ host", false),
            ("candidate:1 1 udp 1", false),
            ("candidate:", false),
            ("", false),
        ] {
            assert_eq!(super::allowed(candidate, may_dial).is_some(), allowed, "{candidate}");
        }
    }

    #[test]
    fn a_candidate_is_built_anew() {
        let told = "candidate:a/+1 01 UDP +7 192.0.2.1 09 typ srflx raddr 10.0.0.1 rport 80 generation 0";
        let built = "candidate:a/+1 1 udp 7 192.0.2.1 9 typ srflx raddr 0.0.0.0 rport 9";
        assert_eq!(allowed(told, may_dial).as_deref(), Some(built));
    }

    #[test]
    fn a_description_loses_only_candidates() {
        let good = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n";
        for bad in ["a=candidate:", "a=CANDIDATE:", " a=candidate:", "a= candidate:", "a=Remote-Candidates:"]
        {
            for end in ["\r\n", "\n", "\r"] {
                let before =
                    format!("v=0{end}{good}{bad}2 1 udp 1 10.0.0.1 1 typ host{end}{end}a=ice-ufrag:x{end}");
                let after = format!("v=0\r\n{good}a=ice-ufrag:x\r\n");
                assert_eq!(allowed_lines(&before, may_dial), after, "{bad}");
            }
        }
    }
}
