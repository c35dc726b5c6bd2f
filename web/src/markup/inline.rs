//! What is inside a line: quotes, links, code, spoilers, and text between them.

use chanterelle_core::event::quotes_in;

use super::tree::Span;

/// Which marks count.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    /// Whether `||` opens a spoiler. Not inside one.
    pub spoilers: bool,
    /// Whether the line goes on beyond its end, so that a spoiler need not be closed.
    pub open_end: bool,
}

/// Reads a line.
pub(super) fn spans(line: &str, marks: Marks) -> Vec<Span<'_>> {
    let mut quotes = quotes_in(line).peekable();
    let mut spans = Vec::new();
    let mut may = Closers { code: true, spoiler: marks.spoilers };
    // Text from `from` to `at` is not in `spans` yet.
    let (mut from, mut at) = (0, 0);
    while at < line.len() {
        while quotes.next_if(|(range, _)| range.start < at).is_some() {}
        let found = match line.as_bytes()[at] {
            b'>' => quotes
                .next_if(|(range, _)| range.start == at)
                .map(|(range, digits)| (Span::Quote(digits), range.len())),
            b'h' if !continues_word(line, at) => {
                url_length(&line[at..]).map(|length| (Span::Link(&line[at..at + length]), length))
            }
            b'`' if may.code => code(&line[at..], &mut may),
            b'|' if may.spoiler => spoiler(&line[at..], marks, &mut may),
            _ => None,
        };
        match found {
            Some((span, length)) => {
                if from < at {
                    spans.push(Span::Text(&line[from..at]));
                }
                spans.push(span);
                at += length;
                from = at;
            }
            // Marks are ASCII, so a byte that is one is a character; others are only stepped over.
            None => at += 1,
        }
    }
    if from < line.len() {
        spans.push(Span::Text(&line[from..]));
    }
    spans
}

/// Whether a closing mark can still follow in the line; see [`super::parse`].
struct Closers {
    code: bool,
    spoiler: bool,
}

fn code<'a>(rest: &'a str, may: &mut Closers) -> Option<(Span<'a>, usize)> {
    let inner = &rest[1..];
    let Some(end) = inner.find('`') else {
        may.code = false;
        return None;
    };
    (end > 0).then(|| (Span::Code(&inner[..end]), end + 2))
}

fn spoiler<'a>(rest: &'a str, marks: Marks, may: &mut Closers) -> Option<(Span<'a>, usize)> {
    let inner = rest.strip_prefix("||")?;
    let end = inner.find("||");
    if end.is_none() {
        may.spoiler = false;
    }
    let (end, length) = match end {
        Some(end) => (end, end + 4),
        None if marks.open_end => (inner.len(), rest.len()),
        None => return None,
    };
    let within = Marks { spoilers: false, open_end: false };
    (end > 0).then(|| (Span::Spoiler(spans(&inner[..end], within)), length))
}

/// Whether the character before `at` belongs to a word that goes on.
fn continues_word(line: &str, at: usize) -> bool {
    line[..at].chars().next_back().is_some_and(char::is_alphanumeric)
}

/// How many bytes at the beginning of `text` are a link, if it begins with one.
///
/// A link ends before white space, quotation marks, angle brackets, a spoiler's mark, and characters that are
/// invisible or turn the direction of writing, which could make it look like another. Punctuation at its end belongs
/// to the sentence around it. With a user name before the host it is no link: `https://bank@example.org` leads to
/// example.org.
fn url_length(text: &str) -> Option<usize> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme))?.len();
    let ends = |(at, character): (usize, char)| {
        let mark = character == '|' && text[at..].starts_with("||");
        (mark || !belongs(character)).then_some(at)
    };
    // The host is judged before the rest is looked at: what is no link then costs no more than its host.
    let host =
        text[scheme..].split(|c| matches!(c, '/' | '?' | '#') || !belongs(c)).next().unwrap_or_default();
    let is_host = host.chars().next().is_some_and(|first| first.is_alphanumeric() || first == '[');
    if !is_host || host.contains(['@', '\\']) {
        return None;
    }
    let end = text.char_indices().find_map(ends).unwrap_or(text.len());
    Some(trim_sentence(&text[..end]).len())
}

fn belongs(character: char) -> bool {
    let invisible = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
    let quotation = matches!(character, '"' | '<' | '>' | '`' | '“' | '”' | '«' | '»');
    !(character.is_whitespace() || character.is_control() || invisible || quotation)
}

/// Leaves a closing bracket only where the link opened it, as in `https://example.org/a_(b)`.
fn trim_sentence(mut url: &str) -> &str {
    let balance = |open: char, close: char| {
        let count = |wanted: char| url.matches(wanted).count();
        count(close).saturating_sub(count(open))
    };
    let (mut round, mut square) = (balance('(', ')'), balance('[', ']'));
    while let Some(last) = url.chars().next_back() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' | '}' | '|' | '…' => {}
            ')' if round > 0 => round -= 1,
            ']' if square > 0 => square -= 1,
            _ => break,
        }
        url = &url[..url.len() - last.len_utf8()];
    }
    url
}
