//! Where candidates lead (RFC 8839, section 5.1), and which of them are given to the browser.
//!
//! A browser that is given a candidate sends packets there. Candidates come from strangers, so only those count that lead
//! over UDP to an address which whoever made the transport allows, or to a name that browsers make up for an address of
//! their own network and that nobody else can answer to (draft-ietf-mmusic-mdns-ice-candidates).

/// Whether packets may be sent to an IP address, as it is written in a candidate.
pub type MayDial = fn(&str) -> bool;

/// Whether a candidate may be given to the browser.
pub(crate) fn is_allowed(candidate: &str, may_dial: MayDial) -> bool {
    let text = candidate.strip_prefix("a=").unwrap_or(candidate);
    let Some(text) = text.strip_prefix("candidate:") else { return false };
    // Foundation, component, transport, priority, address, port, "typ".
    let mut parts = text.split(' ').skip(2);
    let (transport, address) = (parts.next(), parts.nth(1));
    let is_udp = transport.is_some_and(|transport| transport.eq_ignore_ascii_case("udp"));
    is_udp && address.is_some_and(|address| is_made_up(address) || may_dial(address))
}

/// A description without the candidates that are not allowed.
pub(crate) fn allowed_lines(description: &str, may_dial: MayDial) -> String {
    let is_kept = |line: &&str| !line.starts_with("a=candidate:") || is_allowed(line.trim_end(), may_dial);
    description.split_inclusive('\n').filter(is_kept).collect()
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
    use super::{allowed_lines, is_allowed};

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
            ("candidate:1 1 udp 1", false),
            ("candidate:", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(candidate, may_dial), allowed, "{candidate}");
        }
    }

    #[test]
    fn a_description_loses_only_candidates() {
        let before = "v=0\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=candidate:2 1 udp 1 10.0.0.1 1 typ host\r\n\
                      a=ice-ufrag:x\r\n";
        let after = "v=0\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=ice-ufrag:x\r\n";
        assert_eq!(allowed_lines(before, may_dial), after);
    }
}
