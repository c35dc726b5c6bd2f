//! The headers that hold a page to what it is: its scripts, its connections, its frames.
//!
//! The policy lists each inline script and style of the page shell by its hash, computed once at the start, so that
//! no other can run. It does not say who may read the API; that is public.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Request, header};
use axum::middleware::Next;
use axum::response::Response;
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::settings::{Settings, Tls};

/// Headers that stand on every answer.
#[derive(Clone, Debug)]
pub(crate) struct SecurityHeaders(Vec<(HeaderName, HeaderValue)>);

impl SecurityHeaders {
    /// For the page shell `index`, served under `settings`.
    #[must_use]
    pub(crate) fn new(index: &[u8], settings: &Settings) -> SecurityHeaders {
        let policy = content_security_policy(
            &String::from_utf8_lossy(index),
            settings.is_development(),
            settings.media.origin.as_ref(),
        );
        let policy = HeaderValue::try_from(policy).expect("directives and hashes are a header value");
        let fixed = HeaderValue::from_static;
        let mut headers = vec![
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            (header::REFERRER_POLICY, fixed("no-referrer")),
            (HeaderName::from_static("cross-origin-opener-policy"), fixed("same-origin")),
            (
                HeaderName::from_static("permissions-policy"),
                // The camera reads friend codes.
                fixed(
                    "accelerometer=(), camera=(self), geolocation=(), gyroscope=(), magnetometer=(), \
                     microphone=(), payment=(), usb=()",
                ),
            ),
        ];
        if settings.tls != Tls::Off {
            // A year, for this name alone: others below it may be somebody else's.
            headers.push((header::STRICT_TRANSPORT_SECURITY, fixed("max-age=31536000")));
        }
        SecurityHeaders(headers)
    }
}

/// Puts the headers on an answer.
pub(crate) async fn apply(
    State(headers): State<SecurityHeaders>,
    request: Request<axum::body::Body>,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in headers.0 {
        // What is no page says for itself what it may do.
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// In `development` the page may also dial unencrypted relays on loopback. Files may be shown from `media`, too.
fn content_security_policy(index: &str, development: bool, media: Option<&Url>) -> String {
    let media = media.map_or(String::new(), |origin| format!(" {}", origin.origin().ascii_serialization()));
    let scripts = hashes(index, "script");
    let styles = hashes(index, "style");
    let loopback = if development {
        " ws://127.0.0.1:* ws://localhost:* http://127.0.0.1:* http://localhost:*"
    } else {
        ""
    };
    [
        "default-src 'self'".to_owned(),
        format!("script-src 'self' 'wasm-unsafe-eval'{scripts}"),
        format!("connect-src 'self' https: wss:{loopback}"),
        "worker-src 'self'".to_owned(),
        format!("img-src 'self' blob: data:{media}"),
        format!("media-src 'self' blob:{media}"),
        format!("style-src 'self'{styles}"),
        "object-src 'none'".to_owned(),
        "base-uri 'none'".to_owned(),
        "frame-ancestors 'none'".to_owned(),
        "form-action 'self'".to_owned(),
    ]
    .join("; ")
}

/// A source for each inline `element` of our own shell: what stands between the tags, hashed. Not a parser of HTML.
fn hashes(index: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let mut sources = String::new();
    let mut rest = index;
    while let Some((_, from_tag)) = rest.split_once(&open) {
        let Some((attributes, content)) = from_tag.split_once('>') else { break };
        let Some((content, after)) = content.split_once(&close) else { break };
        let inline = !attributes.split_whitespace().any(|attribute| attribute.starts_with("src="));
        let whole_name = attributes.is_empty() || attributes.starts_with(char::is_whitespace);
        if inline && whole_name {
            let hash = BASE64.encode(&Sha256::digest(content.as_bytes()));
            sources.push_str(&format!(" 'sha256-{hash}'"));
        }
        rest = after;
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::{content_security_policy, hashes};

    const INDEX: &str = "<!doctype html><style>p{}</style><script src=\"/a.js\"></script>\
        <script type=\"module\">alert(1)</script><scripture>x</scripture>";

    #[test]
    fn each_inline_script_is_listed_by_its_hash() {
        // printf 'alert(1)' | openssl dgst -sha256 -binary | base64
        assert_eq!(hashes(INDEX, "script"), " 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='");
        assert_eq!(hashes(INDEX, "style").matches("sha256").count(), 1);
        assert_eq!(hashes("", "script"), "");
    }

    #[test]
    fn unencrypted_connections_are_for_development_on_loopback() {
        let public = content_security_policy(INDEX, false, None);
        assert!(public.contains("connect-src 'self' https: wss:; "), "{public}");
        assert!(
            !public.contains("ws://")
                && !public.contains("'unsafe-inline'")
                && !public.contains("'unsafe-eval'")
        );
        let development = content_security_policy(INDEX, true, None);
        assert!(development.contains("connect-src 'self' https: wss: ws://127.0.0.1:*"), "{development}");
        let origin = "https://media.example".parse().expect("a URL");
        let elsewhere = content_security_policy(INDEX, false, Some(&origin));
        assert!(elsewhere.contains("img-src 'self' blob: data: https://media.example; "), "{elsewhere}");
        for directive in ["object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(public.contains(directive));
        }
    }
}
