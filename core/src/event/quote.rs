//! Quotes in a comment: `>>` and the first 8 hexadecimal digits of a post's id.
//!
//! Only finds them; which post is meant is settled where a reference is made (`node`) or shown (`view`).

/// Digits of an id in a quote: short enough to type, long enough to be unique in a thread.
pub const QUOTE_DIGITS: usize = 8;

/// The prefixes quoted in `comment`, in order, each with the byte range of the whole quote (`>>` included).
///
/// A quote ends at its eighth digit; a ninth hexadecimal digit makes it no quote.
pub fn quotes_in(comment: &str) -> impl Iterator<Item = (core::ops::Range<usize>, &str)> {
    // Overlapping, unlike `match_indices`: of three marks the last two may quote.
    let marks = comment.as_bytes().windows(2).enumerate().filter(|(_, two)| *two == b">>");
    marks.filter_map(|(start, _)| {
        let from = start + 2;
        let to = from + QUOTE_DIGITS;
        let digits = comment.get(from..to)?;
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let ends = !comment.as_bytes().get(to).copied().is_some_and(hex);
        (digits.bytes().all(hex) && ends).then_some((start..to, digits))
    })
}

#[cfg(test)]
mod tests {
    use super::quotes_in;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn finds_whole_quotes_only() {
        let found: Vec<_> = quotes_in(">>0123abcd and >>>deadbeef, >>0123abcde >>0123ABCD >>é >>").collect();
        assert_eq!(found, [(0..10, "0123abcd"), (16..26, "deadbeef")]);
    }
}
