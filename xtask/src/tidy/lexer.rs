//! Just enough of Rust's lexical structure to tell code from comments and text.
//!
//! Not a parser: it knows comments, string, byte and character literals (Rust reference, "Tokens"), and gives the rest
//! as words and punctuation with line numbers.

/// A word or a punctuation mark of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// An identifier or keyword, a lifetime with its `'`, `::`, or one character.
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
}

/// The code with the content of comments and literals replaced by spaces. Lines stay where they are.
pub(super) fn code(source: &str) -> String {
    let mut code = source.as_bytes().to_vec();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let Some(length) = comment_or_literal(source, at) else {
            at += first.len_utf8();
            continue;
        };
        code[at..at + length].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at += length;
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Length of the comment or literal that begins at this place.
fn comment_or_literal(source: &str, at: usize) -> Option<usize> {
    let rest = &source[at..];
    if rest.starts_with("//") {
        Some(rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("/*") {
        Some(block_comment(rest))
    } else if rest.starts_with('"') {
        Some(quoted(rest, '"'))
    } else {
        raw_string(source, at).or_else(|| character(rest))
    }
}

/// The tokens of [`code`].
pub(super) fn tokens(code: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if first == '\'' {
                1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1)
            } else if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            tokens.push(Token { text, line: index + 1 });
            rest = after.trim_start();
        }
    }
    tokens
}

/// Length of the block comment at the start; they nest.
fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0_u32, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Length of the raw string `r"…"` or `r#"…"#` at this place, if there is one and not the end of a word.
fn raw_string(source: &str, at: usize) -> Option<usize> {
    let rest = source[at..].strip_prefix('r')?;
    let before = source[..at].chars().next_back();
    // `br` and `cr` are raw strings too; any other letter before makes it a word.
    let is_inside_word = before.is_some_and(|c| (c.is_alphanumeric() || c == '_') && c != 'b' && c != 'c');
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest[hashes..].strip_prefix('"')?;
    if is_inside_word {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |found| found + end.len());
    Some(1 + hashes + 1 + length)
}

/// Length of the literal that begins with this quote.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Length of the character literal at the start; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut inside = rest.strip_prefix('\'')?.chars();
    match inside.next()? {
        '\\' => Some(quoted(rest, '\'')),
        first => (inside.next() == Some('\'')).then(|| first.len_utf8() + 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(&code(source)).iter().map(|token| token.text.to_owned()).collect()
    }

    #[test]
    fn leaves_out_comments_and_literals() {
        let source = "a /* b /* c */ d */ e // f\n\"g \\\" h\" r#\"i \" j\"# 'k' '\\'' b\"l\" '\"' m";
        assert_eq!(words(source), ["a", "e", "b", "m"]);
    }

    #[test]
    fn keeps_lifetimes_and_paths() {
        assert_eq!(words("&'static crate::x"), ["&", "'static", "crate", "::", "x"]);
        assert_eq!(words("for r in bar { 'r' }"), ["for", "r", "in", "bar", "{", "}"]);
    }

    #[test]
    fn keeps_lines() {
        let code = code("\"one\ntwo\"\nthree");
        assert_eq!(tokens(&code), [Token { text: "three", line: 3 }]);
    }
}
