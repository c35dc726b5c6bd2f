//! Which bytes of a file a request asks for (RFC 9110, sections 13 and 14): one range, or all of it.
//!
//! Several ranges in one request are answered with the whole, which the section allows: a multipart answer is no use to a
//! browser that plays a film.

use std::ops::Range;

use axum::http::{HeaderMap, Method, header};

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing: the client has it.
    Unchanged,
    /// All of it.
    Whole,
    /// These bytes, within the size and not empty.
    Part(Range<u64>),
    /// Bytes that are not there.
    Nothing,
}

/// What a request with `headers` wants of a file of `size` bytes, which is not 0, tagged `etag`. Only GET has ranges.
#[must_use]
pub(super) fn wanted(method: &Method, headers: &HeaderMap, etag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_NONE_MATCH).is_some_and(|known| matches(known, etag)) {
        return Wanted::Unchanged;
    }
    if *method != Method::GET {
        return Wanted::Whole;
    }
    // A strong tag alone says that the parts fit together; a date is none, for files here have no dates.
    if text(header::IF_RANGE).is_some_and(|known| known.trim() != etag) {
        return Wanted::Whole;
    }
    text(header::RANGE).map_or(Wanted::Whole, |range| parse(range, size))
}

/// Whether an If-None-Match names `etag`, compared weakly.
fn matches(known: &str, etag: &str) -> bool {
    known
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

/// Another unit, several ranges, and what is no range count as not said.
fn parse(text: &str, size: u64) -> Wanted {
    let Some((unit, set)) = text.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    let (Ok(first), Ok(last)) = (number(first), number(last)) else { return Wanted::Whole };
    match (first, last) {
        (None, None) => Wanted::Whole,
        (None, Some(0)) => Wanted::Nothing,
        (None, Some(suffix)) => Wanted::Part(size.saturating_sub(suffix)..size),
        (Some(first), Some(last)) if last < first => Wanted::Whole,
        (Some(first), _) if first >= size => Wanted::Nothing,
        (Some(first), last) => {
            Wanted::Part(first..last.map_or(size, |last| size.min(last.saturating_add(1))))
        }
    }
}

/// `None` for nothing. Digits alone; more than fit are beyond any file.
fn number(text: &str) -> Result<Option<u64>, ()> {
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    Ok((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, Method, header};

    use super::Wanted::{Nothing, Part, Unchanged, Whole};
    use super::{Wanted, wanted};

    const ETAG: &str = "\"ab\"";

    fn asked(headers: &[(header::HeaderName, &'static str)]) -> Wanted {
        asked_by(&Method::GET, headers)
    }

    fn asked_by(method: &Method, headers: &[(header::HeaderName, &'static str)]) -> Wanted {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        wanted(method, &HeaderMap::from_iter(headers), ETAG, 100)
    }

    #[test]
    fn one_range_is_one_part() {
        for (range, expected) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-99", Part(0..100)),
            ("bytes=10-1000", Part(10..100)),
            ("bytes=99-", Part(99..100)),
            ("bytes=-1", Part(99..100)),
            ("bytes=-1000", Part(0..100)),
            ("BYTES = 5 - 6 ", Part(5..7)),
            ("bytes=0-99999999999999999999", Part(0..100)),
            ("bytes=100-", Nothing),
            ("bytes=100-200", Nothing),
            ("bytes=99999999999999999999-", Nothing),
            ("bytes=-0", Nothing),
            ("bytes=-", Whole),
            ("bytes=7-6", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=0-1,5-6", Whole),
            ("lines=0-1", Whole),
            ("nonsense", Whole),
        ] {
            assert_eq!(asked(&[(header::RANGE, range)]), expected, "{range}");
        }
        assert_eq!(asked(&[]), Whole);
    }

    #[test]
    fn a_head_has_no_range() {
        for range in ["bytes=0-0", "bytes=100-"] {
            assert_eq!(asked_by(&Method::HEAD, &[(header::RANGE, range)]), Whole);
        }
        assert_eq!(asked_by(&Method::HEAD, &[(header::IF_NONE_MATCH, ETAG)]), Unchanged);
    }

    #[test]
    fn a_range_is_for_the_file_the_client_knows() {
        let range = (header::RANGE, "bytes=0-0");
        assert_eq!(asked(&[range.clone(), (header::IF_RANGE, ETAG)]), Part(0..1));
        for other in ["\"cd\"", "W/\"ab\"", "Mon, 30 Nov 2026 00:00:00 GMT"] {
            assert_eq!(asked(&[range.clone(), (header::IF_RANGE, other)]), Whole, "{other}");
        }
        for known in [ETAG, "W/\"ab\"", "\"x\", \"ab\"", "*"] {
            assert_eq!(asked(&[range.clone(), (header::IF_NONE_MATCH, known)]), Unchanged, "{known}");
        }
        assert_eq!(asked(&[(header::IF_NONE_MATCH, "\"x\"")]), Whole);
    }
}
