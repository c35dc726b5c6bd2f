//! The embedded page: which file, in which encoding, for how long.
//!
//! Files are embedded by the build script, each with its compressed variants; nothing is compressed or read from disk
//! here. A file that does not exist is `None`, never the page shell.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use data_encoding::HEXLOWER;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/page"]
struct Embedded;

/// Content codings in the order they are preferred. The names are those of the build script's folders.
const CODINGS: [&str; 2] = ["br", "gzip"];

/// All files of the page.
#[derive(Debug)]
pub(crate) struct Assets(BTreeMap<String, Asset>);

/// One file.
#[derive(Debug)]
struct Asset {
    mime: &'static str,
    cache: &'static str,
    plain: Variant,
    /// By coding, as many as there are.
    packed: Vec<(&'static str, Variant)>,
}

#[derive(Debug)]
struct Variant {
    bytes: Bytes,
    etag: HeaderValue,
}

impl Assets {
    /// The files embedded in this program.
    #[must_use]
    pub(crate) fn embedded() -> Assets {
        let bytes = |data| match data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let files =
            Embedded::iter().filter_map(|path| Some((path.to_string(), bytes(Embedded::get(&path)?.data))));
        Assets::of(&files.collect())
    }

    /// Files by path: `identity/` and the name, and where they exist the coding's variants.
    fn of(files: &BTreeMap<String, Bytes>) -> Assets {
        let variant = |folder: &str, name: &str| files.get(&format!("{folder}/{name}")).map(Variant::of);
        let names = files.keys().filter_map(|path| path.strip_prefix("identity/"));
        let asset = |name: &str| {
            let packed = CODINGS.iter().filter_map(|coding| Some((*coding, variant(coding, name)?)));
            Some(Asset {
                mime: mime(name),
                cache: if is_hashed(name) { "public, max-age=31536000, immutable" } else { "no-cache" },
                plain: variant("identity", name)?,
                packed: packed.collect(),
            })
        };
        Assets(names.filter_map(|name| Some((name.to_owned(), asset(name)?))).collect())
    }

    /// The page shell.
    #[must_use]
    pub(crate) fn index(&self) -> &[u8] {
        self.0.get("index.html").map_or(&[], |asset| &asset.plain.bytes)
    }

    /// Answers a request for `name`, a path without its leading slash. `None` when there is no such file.
    #[must_use]
    pub(crate) fn respond(&self, name: &str, headers: &HeaderMap) -> Option<Response> {
        let asset = self.0.get(name)?;
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
        let accepts = |coding: &str| accepted.is_some_and(|accepted| accepts(accepted, coding));
        let (coding, variant) = match asset.packed.iter().find(|(coding, _)| accepts(coding)) {
            Some((coding, variant)) => (Some(*coding), variant),
            None => (None, &asset.plain),
        };
        let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let unchanged = known.is_some_and(|known| matches(known, &variant.etag));
        let body = if unchanged { Body::empty() } else { Body::from(variant.bytes.clone()) };
        let mut response = Response::new(body);
        let to = response.headers_mut();
        to.insert(header::ETAG, variant.etag.clone());
        to.insert(header::CACHE_CONTROL, HeaderValue::from_static(asset.cache));
        to.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Some(response);
        }
        to.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
        if let Some(coding) = coding {
            to.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        Some(response)
    }
}

impl Variant {
    fn of(bytes: &Bytes) -> Variant {
        let hash = HEXLOWER.encode(&Sha256::digest(bytes)[..16]);
        let etag =
            HeaderValue::try_from(format!("\"{hash}\"")).expect("hexadecimal digits are a header value");
        Variant { bytes: bytes.clone(), etag }
    }
}

fn mime(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether Trunk put a hash of the content into the name: `-` and hexadecimal digits before `.` or `_`. It writes 64
/// bits without leading zeros, so a digit or two may be missing.
fn is_hashed(name: &str) -> bool {
    name.split('-').skip(1).any(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        (13..=16).contains(&digits) && rest[digits..].starts_with(['.', '_'])
    })
}

/// Whether an Accept-Encoding (RFC 9110, section 12.5.3) lists `coding` with a weight above zero.
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(coding) && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Whether an If-None-Match (RFC 9110, section 13.1.2) names `etag`, compared weakly.
fn matches(known: &str, etag: &HeaderValue) -> bool {
    known
        .split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::body::Bytes;
    use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
    use axum::response::Response;

    use super::{Assets, accepts, is_hashed, mime};

    #[test]
    fn hashed_names_are_told_from_others() {
        for name in [
            "chanterelle-web-0123456789abcdef.js",
            "chanterelle-web-0123456789abcdef_bg.wasm",
            "style-fedcba9876543210.css",
            "style-edcba9876543210.css",
            "folder/worker-0123456789abcdef.js",
        ] {
            assert!(is_hashed(name), "{name}");
        }
        for name in ["index.html", "service-worker.js", "a-0123456789ab.js", "a-0123456789abcdef0.js"] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    #[test]
    fn encodings_are_negotiated() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("GZIP;q=0.5", "gzip"));
        assert!(!accepts("gzip;q=0", "gzip"));
        assert!(!accepts("gzip;q=0.000", "gzip"));
        assert!(!accepts("gzip, deflate", "br"));
        assert!(!accepts("", "br"));
    }

    #[test]
    fn wasm_has_the_type_that_streaming_compilation_wants() {
        assert_eq!(mime("chanterelle-web_bg.wasm"), "application/wasm");
        assert_eq!(mime("unknown"), "application/octet-stream");
    }

    fn assets() -> Assets {
        let file = |path: &str, bytes: &'static [u8]| (path.to_owned(), Bytes::from_static(bytes));
        Assets::of(&BTreeMap::from([
            file("identity/index.html", b"<!doctype html>"),
            file("br/index.html", b"br"),
            file("gzip/index.html", b"gzip"),
            file("identity/web-0123456789abcdef_bg.wasm", b"\0asm"),
            file("gzip/web-0123456789abcdef_bg.wasm", b"gz"),
            file("identity/service-worker.js", b"//"),
        ]))
    }

    fn answer(name: &str, asked: &[(header::HeaderName, &'static str)]) -> Response {
        let asked = asked.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        assets().respond(name, &HeaderMap::from_iter(asked)).expect("the file exists")
    }

    #[test]
    fn files_with_a_hash_in_their_name_are_kept_for_ever_and_others_asked_for_again() {
        let wasm = answer("web-0123456789abcdef_bg.wasm", &[]);
        assert_eq!(wasm.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(wasm.headers()[header::CONTENT_TYPE], "application/wasm");
        for name in ["index.html", "service-worker.js"] {
            assert_eq!(answer(name, &[]).headers()[header::CACHE_CONTROL], "no-cache", "{name}");
        }
    }

    #[test]
    fn the_best_variant_there_is_is_served_under_its_own_tag() {
        let plain = answer("index.html", &[]);
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        let packed = answer("index.html", &[(header::ACCEPT_ENCODING, "gzip, br")]);
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(packed.headers()[header::VARY], "accept-encoding");
        assert_ne!(packed.headers()[header::ETAG], plain.headers()[header::ETAG]);
        let wasm = answer("web-0123456789abcdef_bg.wasm", &[(header::ACCEPT_ENCODING, "gzip, br")]);
        assert_eq!(wasm.headers()[header::CONTENT_ENCODING], "gzip", "there is no br of it");
        let only = answer("service-worker.js", &[(header::ACCEPT_ENCODING, "gzip, br")]);
        assert!(!only.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let tag = answer("index.html", &[]).headers()[header::ETAG].clone();
        let mut asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, tag)]);
        let same = assets().respond("index.html", &asked).expect("the file exists");
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert!(!same.headers().contains_key(header::CONTENT_TYPE));
        asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
        let other = assets().respond("index.html", &asked).expect("the file exists");
        assert_eq!(other.status(), StatusCode::OK, "the client has another variant");
    }

    #[test]
    fn the_program_holds_a_page_shell_and_nothing_for_other_names() {
        let assets = Assets::embedded();
        assert!(assets.index().starts_with(b"<!"));
        assert!(assets.respond("absent.js", &HeaderMap::new()).is_none());
        assert!(assets.respond("identity/index.html", &HeaderMap::new()).is_none());
    }
}
