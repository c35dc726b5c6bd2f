//! A Binding request and what it is answered: RFC 8489, of which a server without credentials needs this much.
//!
//! Reads the types of attributes and the value of FINGERPRINT alone. A client may prove who it is; here it need not.

use std::net::{IpAddr, SocketAddr};

use crc::{CRC_32_ISO_HDLC, Crc};

/// The largest request, bytes; a client should not send a larger one (section 6.1).
pub(super) const MAX_BYTES: usize = 1_280;

/// Type, length, magic cookie, transaction id (section 5).
const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();

/// Types of messages: the method Binding in three of four classes (sections 5 and 18.2).
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;

/// Types of attributes (section 18.3). Those below 0x8000 must be understood.
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;

/// 420, "Unknown Attribute": the hundreds, the rest, and the reason (section 14.8).
const UNKNOWN_ATTRIBUTE: &[u8] = b"\0\0\x04\x14Unknown Attribute";

/// Attributes that an answer names as not understood, at most. A client has use for a few; who sends more wants a large
/// answer, which may go to an address that is not theirs.
const UNKNOWN: usize = 8;

/// What the answer depends on.
struct Request {
    /// Magic cookie and transaction id, which the answer repeats.
    transaction: [u8; 16],
    /// Attributes that would have to be understood and are not.
    unknown: Vec<u16>,
    has_fingerprint: bool,
}

/// The answer to a datagram that came `from` there, at most 76 bytes; `None` when it is no well-formed Binding request,
/// which includes every answer, or has too much that is not understood.
///
/// Only a request with FINGERPRINT is answered with one: nothing else is spoken on the port that it would have to be
/// told apart from, and the answer stays as short as it can.
#[must_use]
pub(super) fn answer(datagram: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    let request = Request::parse(datagram)?;
    let kind = if request.unknown.is_empty() { SUCCESS } else { ERROR };
    let mut answer = [&kind.to_be_bytes(), &[0; 2], &request.transaction[..]].concat();
    if request.unknown.is_empty() {
        push(&mut answer, XOR_MAPPED_ADDRESS, &masked(from, request.transaction));
    } else {
        let unknown: Vec<u8> = request.unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        push(&mut answer, ERROR_CODE, UNKNOWN_ATTRIBUTE);
        push(&mut answer, UNKNOWN_ATTRIBUTES, &unknown);
    }
    if request.has_fingerprint {
        let covered = answer.len();
        // Its own length counts in the header that it covers.
        push(&mut answer, FINGERPRINT, &[0; 4]);
        let value = fingerprint(&answer[..covered]);
        answer[covered + 4..].copy_from_slice(&value);
    }
    Some(answer)
}

impl Request {
    fn parse(datagram: &[u8]) -> Option<Request> {
        let (kind, length, content) = split(datagram)?;
        let (&transaction, mut rest) = content.split_first_chunk()?;
        if kind != REQUEST || length != rest.len() || !transaction.starts_with(&MAGIC_COOKIE) {
            return None;
        }
        let mut request = Request { transaction, unknown: Vec::new(), has_fingerprint: false };
        let mut is_sealed = false;
        while !rest.is_empty() {
            let covered = datagram.len() - rest.len();
            let (kind, length, content) = split(rest)?;
            let value = content.get(..length)?;
            rest = content.get(length.next_multiple_of(4)..)?;
            match kind {
                FINGERPRINT if rest.is_empty() && value == fingerprint(&datagram[..covered]) => {
                    request.has_fingerprint = true;
                }
                FINGERPRINT => return None,
                // What comes after is not covered and does not count (sections 14.5 and 14.6).
                MESSAGE_INTEGRITY | MESSAGE_INTEGRITY_SHA256 => is_sealed = true,
                0..0x8000 if !is_known(kind) && !is_sealed => {
                    if request.unknown.len() == UNKNOWN {
                        return None;
                    }
                    request.unknown.push(kind);
                }
                _ => {}
            }
        }
        Some(request)
    }
}

/// Type and length, with which messages and attributes begin, and what follows.
fn split(bytes: &[u8]) -> Option<(u16, usize, &[u8])> {
    let (&[a, b, c, d], content) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]).into(), content))
}

/// Whether RFC 8489 has an attribute that must be understood under this type (section 18.3.1).
fn is_known(kind: u16) -> bool {
    matches!(kind, 0x0001 | 0x0006 | 0x0008..=0x000a | 0x0014 | 0x0015 | 0x001c..=0x001e | 0x0020)
}

/// Adds an attribute, pads it and counts it in the header (sections 5 and 14).
fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let be = |length: usize| {
        u16::try_from(length).expect("an answer is little longer than a request").to_be_bytes()
    };
    message.extend(kind.to_be_bytes());
    message.extend(be(value.len()));
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let length = be(message.len() - HEADER);
    message[2..4].copy_from_slice(&length);
}

/// The value of XOR-MAPPED-ADDRESS: family, port and address, masked because some NATs rewrite every address they see
/// (section 14.2).
fn masked(from: SocketAddr, transaction: [u8; 16]) -> Vec<u8> {
    // A socket for both families shows an IPv4 address as an IPv6 one.
    let (family, address) = match from.ip().to_canonical() {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let port = from.port().to_be_bytes();
    let mask =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().zip(transaction).map(|(byte, mask)| byte ^ mask).collect() };
    [vec![0, family], mask(&port), mask(&address)].concat()
}

/// The value of FINGERPRINT behind these bytes (section 14.7).
fn fingerprint(covered: &[u8]) -> [u8; 4] {
    static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    (CRC.checksum(covered) ^ 0x5354_554e).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use data_encoding::{HEXLOWER, Specification};

    use super::{UNKNOWN, answer, fingerprint, push};

    /// How much longer than its request an answer is at most, bytes: an error with its reason and one attribute.
    const GROWTH: usize = 32;

    /// The longest answer, bytes: an error with its reason, as many attributes as are named, and a fingerprint.
    const LONGEST: usize = 76;

    /// RFC 5769, 2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, MESSAGE-INTEGRITY, FINGERPRINT.
    const ICE_REQUEST: &str = "\
        00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff
        80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249
        c1b571a2 80280004 e57a3bcf";
    /// RFC 5769, 2.2: the answer to it, of 192.0.2.1:32853.
    const ANSWER_V4: &str = "\
        0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200008 0001a147 e112a643
        00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96";
    /// RFC 5769, 2.3: the same of [2001:db8:1234:5678:11:2233:4455:6677]:32853.
    const ANSWER_V6: &str = "\
        01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200014 0002a147 0113a9fa
        a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c";
    /// RFC 5769, 2.4: a request with USERNAME, NONCE, REALM and MESSAGE-INTEGRITY.
    const LONG_TERM_REQUEST: &str = "\
        00010060 2112a442 78ad3433 c6ad72c0 29da412e 00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000 0015001c
        662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341 0014000b 6578616d 706c652e 6f726700 00080014
        f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

    const V4: &str = "192.0.2.1:32853";
    const V6: &str = "[2001:db8:1234:5678:11:2233:4455:6677]:32853";

    fn bytes(hex: &str) -> Vec<u8> {
        let mut specification: Specification = HEXLOWER.specification();
        specification.ignore.push_str(" \n");
        let encoding = specification.encoding().expect("spaces are no digits");
        encoding.decode(hex.as_bytes()).expect("the test's bytes are in hexadecimal")
    }

    fn answered(request: &[u8], from: &str) -> Option<Vec<u8>> {
        answer(request, from.parse().expect("the test's address is one"))
    }

    /// A request of the transaction of RFC 5769 with these attributes.
    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut request = bytes("00010000 2112a442 b7e7a701 bc34d686 fa87dfae");
        for (kind, value) in attributes {
            push(&mut request, *kind, value);
        }
        request
    }

    fn with_fingerprint(mut request: Vec<u8>) -> Vec<u8> {
        let covered = request.len();
        push(&mut request, 0x8028, &[0; 4]);
        let value = fingerprint(&request[..covered]);
        request[covered + 4..].copy_from_slice(&value);
        request
    }

    #[test]
    fn a_client_is_told_where_its_request_came_from() {
        let v4 = bytes("0101000c 2112a442 b7e7a701 bc34d686 fa87dfae 00200008 0001a147 e112a643");
        assert_eq!(answered(&request(&[]), V4), Some(v4.clone()));
        assert_eq!(
            answered(&request(&[]), "[::ffff:192.0.2.1]:32853"),
            Some(v4),
            "a socket for both families"
        );
        let v6 = answered(&request(&[]), V6).expect("an answer");
        // The attribute as the RFC has it, behind SOFTWARE.
        assert_eq!(v6[20..], bytes(ANSWER_V6)[36..60]);
        assert_eq!(v6[..4], [1, 1, 0, 24]);
    }

    #[test]
    fn a_fingerprint_is_checked_and_returned() {
        for vector in [ICE_REQUEST, ANSWER_V4, ANSWER_V6].map(bytes) {
            let (covered, attribute) = vector.split_at(vector.len() - 8);
            assert_eq!(fingerprint(covered), attribute[4..]);
        }
        let request = with_fingerprint(request(&[]));
        let answer = answered(&request, V4).expect("an answer");
        assert_eq!(answer[..4], [1, 1, 0, 20]);
        assert_eq!(answer[20..32], bytes(ANSWER_V4)[36..48]);
        assert_eq!(answer[32..36], [0x80, 0x28, 0, 4]);
        assert_eq!(answer[36..], fingerprint(&answer[..32]));
        // Without its type it is another attribute.
        for at in (0..20).chain(22..28) {
            let mut damaged = request.clone();
            damaged[at] ^= 1;
            assert_eq!(answered(&damaged, V4), None, "byte {at}");
        }
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        // PRIORITY belongs to checks between two peers.
        let answer = answered(&bytes(ICE_REQUEST), V4).expect("an answer");
        let expected = "\
            0111002c 2112a442 b7e7a701 bc34d686 fa87dfae 00090015 00000414 556e6b6e 6f776e20 41747472 69627574 65000000
            000a0002 00240000 80280004";
        assert_eq!(answer[..answer.len() - 4], bytes(expected));
        // CHANGE-REQUEST and RESPONSE-PORT would have the answer sent to somebody else.
        let answer =
            answered(&request(&[(0x0003, &[0, 0, 0, 6]), (0x0027, &[0, 80, 0, 0]), (0x8022, b"x")]), V4);
        let answer = answer.expect("an answer");
        assert_eq!((&answer[..2], &answer[48..]), (&[1, 0x11][..], &bytes("000a0004 00030027")[..]));
    }

    #[test]
    fn who_sends_much_that_is_not_understood_gets_no_answer() {
        let of = |count: usize| request(&vec![(0x7fff, &[][..]); count]);
        assert!(answered(&of(UNKNOWN), V4).is_some());
        assert_eq!(answered(&of(UNKNOWN + 1), V4), None);
        assert_eq!(answered(&of(315), V4), None, "as many as find room");
    }

    #[test]
    fn what_need_not_be_understood_is_ignored() {
        let plain = answered(&request(&[]), V4);
        assert_eq!(answered(&request(&[(0x8022, b"client"), (0xffff, b"")]), V4), plain);
        let sealed = request(&[(0x0008, &[0; 20]), (0x0024, &[0; 4])]);
        assert_eq!(answered(&sealed, V4), plain, "what comes behind MESSAGE-INTEGRITY does not count");
        let authenticated = answered(&bytes(LONG_TERM_REQUEST), V4).expect("an answer");
        assert_eq!(authenticated[..4], [1, 1, 0, 12]);
    }

    #[test]
    fn what_is_no_binding_request_gets_no_answer() {
        let good = request(&[(0x8022, b"client")]);
        assert!(answered(&good, V4).is_some());
        for length in 0..good.len() {
            assert_eq!(answered(&good[..length], V4), None, "cut to {length} bytes");
        }
        let changed = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            message
        };
        for (message, why) in [
            (changed(0, 0x01), "an answer"),
            (changed(0, 0x40), "not STUN"),
            (changed(1, 0x11), "an indication"),
            (changed(1, 0x03), "another method"),
            (changed(4, 0), "RFC 3489, without the magic cookie"),
            (changed(3, 8), "shorter than it is"),
            (changed(3, 16), "longer than it is"),
            (changed(23, 9), "an attribute beyond the end"),
            (changed(22, 0xff), "an attribute far beyond the end"),
            (changed(23, 0), "something else behind an attribute"),
            ([&good[..], &[0; 4]].concat(), "more than it says"),
            (request(&[(0x8028, &[0; 4])]), "another fingerprint"),
            (request(&[(0x8028, &[])]), "no fingerprint in it"),
            (bytes(ANSWER_V4), "a success"),
        ] {
            assert_eq!(answered(&message, V4), None, "{why}");
        }
        let mut behind = with_fingerprint(good);
        push(&mut behind, 0x8022, b"more");
        assert_eq!(answered(&behind, V4), None, "FINGERPRINT is the last");
        // Two servers never keep each other busy.
        for request in [request(&[]), bytes(ICE_REQUEST)] {
            let answer = answered(&request, V4).expect("an answer");
            assert_eq!(answered(&answer, V4), None);
        }
    }

    #[test]
    fn whatever_comes_an_answer_is_little_longer() {
        let unknown: Vec<(u16, &[u8])> = (0..UNKNOWN).map(|_| (0x7fff, &[][..])).collect();
        let longest = with_fingerprint(request(&unknown));
        assert_eq!(answered(&longest, V6).map(|answer| answer.len()), Some(LONGEST));
        let seeds = [
            bytes(ICE_REQUEST),
            bytes(LONG_TERM_REQUEST),
            request(&[(0x0003, &[0; 4])]),
            with_fingerprint(request(&[])),
            longest,
        ];
        // A linear congruential generator (Knuth, MMIX): the same inputs each time.
        let mut state = 5_769_u64;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let mut answers = 0;
        for round in 0..20_000 {
            let mut message = seeds[round % seeds.len()].clone();
            for _ in 0..below(4) {
                let at = below(message.len().min(64));
                message[at] = below(256) as u8;
            }
            if below(4) == 0 {
                message.truncate(below(message.len()));
            }
            for from in [V4, V6] {
                if let Some(answer) = answered(&message, from) {
                    answers += 1;
                    assert!(answer.len() <= LONGEST, "{message:02x?}");
                    assert!(answer.len() <= message.len() + GROWTH, "{message:02x?}");
                    assert_eq!(answer[4..20], message[4..20]);
                    assert_eq!(usize::from(answer[2]) * 256 + usize::from(answer[3]), answer.len() - 20);
                }
            }
        }
        assert!(answers > 5_000, "{answers} of what was sent was understood");
    }
}
