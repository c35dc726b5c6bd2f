//! One form of every text a person types, however their keyboard makes it: Unicode normalization form NFKC (UAX #15).
//!
//! The same passphrase typed on a phone and on a desktop may differ in its bytes: `é` as one character or as two, digits
//! in full width, ligatures. To the person they are the same, and a key made from bytes would not be.

/// The text in NFKC. Browsers bring the tables, which weigh more than the rest of this program; normalization is
/// stable across versions of Unicode for every character that is assigned.
#[cfg(target_arch = "wasm32")]
pub(crate) fn nfkc(text: &str) -> String {
    js_sys::JsString::from(text).normalize("NFKC").into()
}

/// The text in NFKC.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn nfkc(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;

    text.nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::nfkc;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for (typed, normal) in [
            ("e\u{301}tude", "\u{e9}tude"),
            ("\u{ff11}\u{ff12}\u{ff21}", "12A"),
            ("\u{fb01}sh", "fish"),
            ("\u{1100}\u{1161}", "\u{ac00}"),
            ("pass word", "pass word"),
            ("", ""),
        ] {
            assert_eq!(nfkc(typed), normal);
        }
        assert_ne!(nfkc("Case"), nfkc("case"));
    }
}
