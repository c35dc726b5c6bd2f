//! `core` stays pure: no clock, randomness, I/O, async, locks or statics, and ordered collections only.
//!
//! Looks for the names of such things in `core/src`, tests included: what the compiler would let through.

use super::{Finding, Source, lexer};

/// Words that have no business in `core`, and what they would bring.
const WORDS: [(&str, &str); 27] = [
    ("HashMap", "an order that differs from run to run; use BTreeMap"),
    ("HashSet", "an order that differs from run to run; use BTreeSet"),
    ("SystemTime", "a clock; take `Now` as an argument"),
    ("rand", "randomness; take a seed"),
    ("getrandom", "randomness; take a seed"),
    ("OsRng", "randomness; take a seed"),
    ("async", "async"),
    ("await", "async"),
    ("tokio", "async"),
    ("futures", "async"),
    ("Mutex", "a lock"),
    ("RwLock", "a lock"),
    ("Condvar", "a lock"),
    ("OnceLock", "a static"),
    ("LazyLock", "a static"),
    ("OnceCell", "a static"),
    ("LazyCell", "a static"),
    ("static", "a static; counters and seeds belong to the node"),
    ("thread_local", "a static"),
    ("println", "output"),
    ("print", "output"),
    ("eprintln", "output"),
    ("eprint", "output"),
    ("chanterelle_relay", "a shell"),
    ("chanterelle_web", "a shell"),
    ("libp2p", "a shell's library"),
    ("web_sys", "a shell's library"),
];

/// Modules of the standard library that reach outside.
const STD: [&str; 8] = ["env", "fs", "io", "net", "os", "process", "thread", "time"];

/// All findings in one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("core/src/") || !source.is("rs") {
        return Vec::new();
    }
    let code = lexer::code(source.text());
    let tokens = lexer::tokens(&code);
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        // `.await` is the keyword; a field or method of another name is its type's business.
        let is_member = at > 0 && tokens[at - 1].text == "." && token.text != "await";
        if let Some((word, what)) = WORDS.iter().find(|(word, _)| *word == token.text && !is_member) {
            findings.push(Finding::new(source, token.line, format!("`{word}` brings {what}")));
        }
        if let [first, colons, module] = tokens.get(at..at + 3).unwrap_or_default()
            && first.text == "std"
            && colons.text == "::"
            && STD.contains(&module.text)
        {
            findings.push(Finding::new(source, token.line, format!("std::{} reaches outside", module.text)));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, code: &str) -> usize {
        check(&Source::new(path, code)).len()
    }

    #[test]
    fn every_word_is_found() {
        for (word, _) in WORDS {
            assert_eq!(found("core/src/a.rs", &format!("use x::{word};")), 1, "{word}");
        }
        for module in STD {
            assert_eq!(found("core/src/a.rs", &format!("use std::{module}::A;")), 1, "{module}");
        }
    }

    #[test]
    fn only_code_of_core_counts() {
        assert_eq!(found("relay/src/a.rs", "use std::fs;"), 0);
        assert_eq!(
            found(
                "core/src/a.rs",
                "// a HashMap\nconst A: &'static str = \"static\"; use core::time::Duration;"
            ),
            0
        );
    }
}
