//! Rules about the text of a single file: what it opens with, how long it is, and what must not stand in it.

use super::{Finding, Source, lexer};

/// Lines of a file of code: past that ask what second thing moved in.
const CEILING: usize = 500;

/// Lines of a file of tests, which grow by repetition rather than by a second thing.
const TEST_CEILING: usize = 800;

/// Bytes of any file; larger things belong elsewhere.
const MAX_SIZE: u64 = 1_000_000;

/// Shorter than this a file's first line says nothing.
const MIN_OPENING: usize = 20;

/// Marks of unfinished work. Taken apart, so that they do not stand in this file.
const UNFINISHED: [&str; 5] = [
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("db", "g!"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Where the homes of people and machines begin; a path below them exists on one machine only.
const HOMES: [&str; 3] = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Hosts of package registries: which one is used is a setting of the person who builds.
const REGISTRIES: [&str; 6] = [
    concat!("crates", ".io"),
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("pypi", ".org"),
    concat!("files.python", "hosted.org"),
    concat!("deb.debian", ".org"),
];

/// All findings in one file. `checkout` is the directory the project stands in on this machine.
pub(super) fn check(source: &Source, checkout: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line: usize, message: String| findings.push(Finding::new(source, line, message));
    if source.size > MAX_SIZE {
        find(0, format!("{} bytes; a file has at most {MAX_SIZE}", source.size));
    }
    let Some(text) = &source.text else { return findings };

    let lines = text.lines().count();
    let is_test = source.path.starts_with("tests/") || source.path.contains("/tests/");
    let ceiling = if is_test { TEST_CEILING } else { CEILING };
    if ["rs", "js", "mjs", "css", "html"].iter().any(|end| source.is(end)) && lines > ceiling {
        find(0, format!("{lines} lines; a file has at most {ceiling}: what second thing moved in?"));
    }
    if source.is("rs") {
        let opening = text.lines().next().and_then(|line| line.strip_prefix("//!")).unwrap_or_default();
        if opening.trim().len() < MIN_OPENING {
            find(1, "opens without a `//!` line that says what the file is for".to_owned());
        }
        for (number, line) in lexer::code(text).lines().enumerate() {
            if line.contains("#[ignore]") {
                find(number + 1, "an ignored test needs a reason: #[ignore = \"…\"]".to_owned());
            }
        }
    }
    let is_lock = source.is("lock");
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        for word in UNFINISHED.iter().filter(|word| stands_alone(line, word)) {
            find(number, format!("`{word}` marks unfinished work"));
        }
        for home in HOMES.iter().filter(|home| begins_path(line, home)) {
            find(number, format!("a path below {home} exists on one machine only"));
        }
        // A checkout at the top of the file system could bear any word as its name.
        if checkout.matches('/').count() > 1 && begins_path(line, checkout) {
            find(number, "the path of this checkout exists on one machine only".to_owned());
        }
        for host in REGISTRIES.iter().filter(|host| !is_lock && line.contains(**host)) {
            find(number, format!("names {host}; which registry is used is not the project's business"));
        }
    }
    findings
}

/// Whether the word is in the line and not a part of a longer one.
fn stands_alone(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let ends_in_mark = word.ends_with('!');
        !line[..at].ends_with(is_part) && (ends_in_mark || !line[at + word.len()..].starts_with(is_part))
    })
}

/// Whether the path is in the line and not the end of a longer or relative one.
fn begins_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || ['_', '.', '-', '}', '/'].contains(&c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENING: &str = "//! What this file is for.\n";

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text), "/srv/checkout")
            .into_iter()
            .map(|finding| finding.to_string())
            .collect()
    }

    fn is_found(path: &str, text: &str, part: &str) {
        let found = found(path, text);
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }

    #[test]
    fn passes_a_good_file() {
        assert_eq!(found("core/src/a.rs", &format!("{OPENING}fn main() {{}}\n")), Vec::<String>::new());
    }

    #[test]
    fn a_rust_file_says_what_it_is_for() {
        is_found("a.rs", "fn main() {}\n", "opens without");
        is_found("a.rs", "//! .\n", "opens without");
        assert!(found("a.toml", "[a]\n").is_empty());
    }

    #[test]
    fn a_file_is_short() {
        let long = format!("{OPENING}{}", "//\n".repeat(CEILING));
        is_found("core/src/a.rs", &long, "501 lines");
        assert!(found("core/tests/a.rs", &long).is_empty());
        is_found("tests/src/a.rs", &format!("{OPENING}{}", "//\n".repeat(TEST_CEILING)), "801 lines");
        let large = Source { size: MAX_SIZE + 1, ..Source::new("a.png", "") };
        assert_eq!(check(&large, "").len(), 1);
    }

    #[test]
    fn unfinished_work_is_found() {
        for word in UNFINISHED {
            is_found("a.md", &format!("a {word}()"), "unfinished");
            assert!(found("a.md", &format!("a b{word}()")).is_empty());
        }
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for home in HOMES {
            is_found("a.md", &format!("in {home}someone"), "one machine");
            assert!(found("a.md", &format!("in ./x{home}y")).is_empty());
        }
        is_found("a.md", "see /srv/checkout/core", "this checkout");
    }

    #[test]
    fn registries_are_found() {
        for host in REGISTRIES {
            is_found("a.toml", &format!("url = \"https://{host}/\""), "registry");
            assert!(found("Cargo.lock", host).is_empty());
        }
    }

    #[test]
    fn an_ignored_test_has_a_reason() {
        is_found("a.rs", &format!("{OPENING}#[ignore]\nfn a() {{}}\n"), "reason");
        assert!(
            found("a.rs", &format!("{OPENING}#[ignore = \"slow\"]\nfn a() {{}} // #[ignore]\n")).is_empty()
        );
    }
}
