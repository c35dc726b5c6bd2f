//! Links in Markdown lead somewhere; HTML is balanced; JSON parses.
//!
//! Links to other sites are not followed. The HTML rule is stricter than browsers are, which repair anything silently:
//! every element is closed in order (HTML Living Standard, 13.1.2, without its optional tags).

use super::{Finding, Source};

/// Elements without content (HTML Living Standard, 13.1.2).
const VOID: [&str; 13] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

/// Elements whose content is text, whatever it looks like.
const RAW: [&str; 4] = ["script", "style", "textarea", "title"];

/// All findings in one document. `exists` knows the files of the checkout.
pub(super) fn check(source: &Source, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let found = if source.is("md") {
        links(source.text()).filter(|(_, target)| !leads(&source.path, target, exists)).map(dead).collect()
    } else if source.is("html") {
        html(source.text()).err().into_iter().collect()
    } else if source.is("json") || source.is("webmanifest") {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(source.text());
        parsed.err().map(|error| (error.line(), error.to_string())).into_iter().collect()
    } else {
        Vec::new()
    };
    found.into_iter().map(|(line, message)| Finding::new(source, line, message)).collect()
}

fn dead((line, target): (usize, &str)) -> (usize, String) {
    (line, format!("the link to {target} leads nowhere"))
}

/// Targets of inline links and images, with their lines; code blocks and code spans are left out.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    text.lines().enumerate().flat_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        let parts = if is_fenced || is_fence { "" } else { line };
        let outside_code = parts.split('`').step_by(2);
        outside_code.flat_map(|part| part.split("](").skip(1)).filter_map(move |rest| {
            let target = rest.split([')', ' ']).next()?;
            Some((index + 1, target))
        })
    })
}

fn leads(document: &str, target: &str, exists: &dyn Fn(&str) -> bool) -> bool {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    if target.contains("://") || target.starts_with("mailto:") || path.is_empty() {
        return true;
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return false,
            ".." => {}
            name => parts.push(name),
        }
    }
    exists(&parts.join("/"))
}

/// Checks that elements are closed in order.
fn html(text: &str) -> Result<(), (usize, String)> {
    let line = |rest: &str| text[..text.len() - rest.len()].matches('\n').count() + 1;
    let mut open: Vec<(&str, usize)> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let here = line(rest);
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("-->").ok_or((here, "a comment does not end".to_owned()))?;
            rest = &comment[end + 3..];
            continue;
        }
        let end = tag_end(rest).ok_or((here, "a tag does not end".to_owned()))?;
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '\n', '\t', '/']).next().unwrap_or_default();
        if tag.starts_with('!') || VOID.contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            match open.pop() {
                Some((opened, _)) if opened == name => {}
                Some((opened, at)) => {
                    return Err((here, format!("</{name}> where <{opened}> of line {at} is to be closed")));
                }
                None => return Err((here, format!("</{name}> closes nothing"))),
            }
        } else if !tag.ends_with('/') {
            open.push((name, here));
            if RAW.contains(&name) {
                let close =
                    rest.find(&format!("</{name}")).ok_or((here, format!("<{name}> is not closed")))?;
                rest = &rest[close..];
            }
        }
    }
    open.pop().map_or(Ok(()), |(name, at)| Err((at, format!("<{name}> is not closed"))))
}

/// Where the tag at the start ends: a `>` outside of quotes.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let exists = |path: &str| ["README.md", "docs/protocol.md", "docs"].contains(&path);
        check(&Source::new(path, text), &exists).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn links_lead_somewhere() {
        let good =
            "[a](docs/protocol.md#keys) ![b](https://example.org/x) [c](#here) `[d](e)`\n```\n[f](g)\n```\n";
        assert!(found("README.md", good).is_empty());
        assert!(found("docs/a.md", "[a](protocol.md) [b](../README.md) [c](./)").is_empty());
        assert_eq!(
            found("README.md", "\n[a](docs/gone.md)"),
            ["README.md:2: the link to docs/gone.md leads nowhere"]
        );
        assert_eq!(found("README.md", "[a](../README.md)").len(), 1);
    }

    #[test]
    fn html_is_balanced() {
        let good = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>a < b</title>\
            <script>if (a<b) {}</script><link href='a>b'/></head><body><!-- <p> --><p>a<br>b</p></body></html>";
        assert_eq!(found("www/index.html", good), Vec::<String>::new());
        for bad in ["<p>", "</p>", "<b><i></b></i>", "<p", "<!-- ", "<script>", "<a href=\"></a>"] {
            assert_eq!(found("www/index.html", bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn json_parses() {
        assert!(found("www/locales/en.json", "{\"a\": \"b\"}").is_empty());
        assert_eq!(found("www/locales/en.json", "{\n\"a\": }").len(), 1);
        assert_eq!(found("www/app.webmanifest", "{").len(), 1);
    }
}
