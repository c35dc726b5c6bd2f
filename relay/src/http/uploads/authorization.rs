//! Who uploads: an author who signs the request, or else a client address.
//!
//! `Authorization: Chanterelle key=<hex>,time=<unix seconds>,signature=<hex>`, by the one rule for signatures, over relay,
//! method, path, length and time. A signature is good for such a request within five minutes of the relay's clock; who
//! overhears it can do the same in that time, as often as he likes, and nothing else.

use chanterelle_core::base::{AuthorId, PeerId, Seconds};
use chanterelle_core::crypto::{Signature, check_author_key, upload_request_hash, verify};
use data_encoding::HEXLOWER;

use super::super::error::ApiError;

/// The scheme's name.
pub(super) const SCHEME: &str = "Chanterelle";

/// How far the client's clock may be off, seconds.
const CLOCKS_DIFFER: u64 = 5 * 60;

/// What is signed beside the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    /// The relay that is asked.
    pub(super) relay: &'a PeerId,
    /// The method, in capitals.
    pub(super) method: &'a str,
    /// The path, without a query.
    pub(super) path: &'a str,
    /// `Upload-Length`, 0 without.
    pub(super) length: u64,
}

/// The author of a request whose `Authorization` is `value`.
///
/// # Errors
/// 401 with what is wrong.
pub(super) fn author(value: &str, signed: Signed<'_>, now: Seconds) -> Result<AuthorId, ApiError> {
    let (author, time, signature) = parse(value).ok_or_else(|| {
        ApiError::unauthorized(
            "Authorization is Chanterelle key=KEY,time=SECONDS,signature=SIGNATURE, keys and signatures in lower-case \
             hexadecimal digits",
        )
    })?;
    if time.0.abs_diff(now.0) > CLOCKS_DIFFER {
        let line = "the time in Authorization is more than five minutes from this relay's; set the clock and sign again";
        return Err(ApiError::unauthorized(line));
    }
    check_author_key(&author).map_err(|error| ApiError::unauthorized(error.to_string()))?;
    let hash = upload_request_hash(signed.relay, signed.method, signed.path, signed.length, time);
    verify(&author, &hash, &signature).map_err(|_| {
        ApiError::unauthorized(
            "the signature in Authorization is not over this request: relay, method, path, length and time are signed",
        )
    })?;
    Ok(author)
}

fn parse(value: &str) -> Option<(AuthorId, Seconds, Signature)> {
    let (scheme, fields) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let (mut key, mut time, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let (name, value) = field.trim().split_once('=')?;
        let place = match name {
            "key" => &mut key,
            "time" => &mut time,
            "signature" => &mut signature,
            _ => return None,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let time = time.filter(|time| time.bytes().all(|byte| byte.is_ascii_digit()))?;
    let signature: [u8; 64] = HEXLOWER.decode(signature?.as_bytes()).ok()?.try_into().ok()?;
    Some((key?.parse().ok()?, Seconds(time.parse().ok()?), Signature(signature)))
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::{PeerId, Seconds};
    use chanterelle_core::crypto::{SecretKey, upload_request_hash};
    use data_encoding::HEXLOWER;

    use super::{Signed, author};

    const RELAY: PeerId = PeerId([9; 32]);
    const NOW: Seconds = Seconds(1_800_000_000);

    fn signed(length: u64) -> Signed<'static> {
        Signed { relay: &RELAY, method: "POST", path: "/api/v1/uploads", length }
    }

    fn header(time: u64) -> String {
        let key = SecretKey::from_seed([1; 32]);
        let hash = upload_request_hash(&RELAY, "POST", "/api/v1/uploads", 7, Seconds(time));
        let signature = HEXLOWER.encode(&key.sign_hash(&hash).0);
        format!("Chanterelle key={},time={time},signature={signature}", key.public())
    }

    #[test]
    fn a_signature_holds_for_its_request_and_its_time() {
        let key = SecretKey::from_seed([1; 32]).public();
        for time in [NOW.0 - 300, NOW.0, NOW.0 + 300] {
            assert_eq!(author(&header(time), signed(7), NOW).ok(), Some(key));
        }
        for time in [NOW.0 - 301, NOW.0 + 301, 0] {
            assert!(author(&header(time), signed(7), NOW).is_err(), "{time}");
        }
        let value = header(NOW.0);
        let other = PeerId([8; 32]);
        for signed in [
            signed(8),
            Signed { method: "PATCH", ..signed(7) },
            Signed { path: "/api/v1/uploads/", ..signed(7) },
            Signed { relay: &other, ..signed(7) },
        ] {
            assert!(author(&value, signed, NOW).is_err(), "{signed:?}");
        }
    }

    #[test]
    fn another_form_is_none() {
        let value = header(NOW.0);
        assert!(author(&value.replace(',', ", "), signed(7), NOW).is_ok(), "spaces do no harm");
        let fields = value.strip_prefix("Chanterelle ").expect("the scheme stands first");
        for value in [
            String::new(),
            "Bearer abc".to_owned(),
            fields.to_owned(),
            format!("{value},key=00"),
            format!("{value},more=1"),
            value.replace("time=", "time=+"),
            value.to_uppercase(),
            value.replace("signature=", "signature=00"),
        ] {
            assert!(author(&value, signed(7), NOW).is_err(), "{value}");
        }
        let zero = format!("Chanterelle key={},time={NOW:?},signature={}", "00".repeat(32), "00".repeat(64));
        assert!(
            author(&zero.replace("Seconds(", "").replace(')', ""), signed(7), NOW).is_err(),
            "anyone signs for it"
        );
    }
}
