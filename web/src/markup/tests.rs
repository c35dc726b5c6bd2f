//! Examples of the markup, and laws that hold for any text.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Block, Extent, Line, Span, parse};

fn whole(text: &str) -> Vec<Block<'_>> {
    parse(text, Extent::Whole)
}

/// The spans of a comment of one line.
fn line(text: &str) -> Vec<Span<'_>> {
    match whole(text).as_slice() {
        [Block::Lines(lines)] if lines.len() == 1 => lines[0].spans.clone(),
        other => panic!("not one line: {other:?}"),
    }
}

fn green(text: &str) -> bool {
    matches!(whole(text).as_slice(), [Block::Lines(lines)] if lines[0].green)
}

#[test]
fn greentext_is_a_line_that_begins_with_an_angle_and_no_quote() {
    assert!(green(">implying"));
    assert!(green("> "));
    assert!(green(">>not a quote"));
    assert!(green(">>>0123abcd"));
    assert!(!green(">>0123abcd"));
    assert!(!green(" >no"));
    assert!(!green(""));
}

#[test]
fn a_quote_is_two_angles_and_eight_digits() {
    assert_eq!(line(">>0123abcd yes"), [Span::Quote("0123abcd"), Span::Text(" yes")]);
    assert_eq!(line("see >>0123abcd"), [Span::Text("see "), Span::Quote("0123abcd")]);
    assert_eq!(line(">>0123abcde"), [Span::Text(">>0123abcde")]);
    assert_eq!(line(">>0123ABCD"), [Span::Text(">>0123ABCD")]);
    assert_eq!(line("`>>0123abcd`"), [Span::Code(">>0123abcd")]);
    assert_eq!(line("||>>0123abcd||"), [Span::Spoiler(vec![Span::Quote("0123abcd")])]);
}

#[test]
fn only_http_is_a_link_and_the_sentence_around_it_is_not_in_it() {
    for (text, link) in [
        ("https://example.org", "https://example.org"),
        ("(https://example.org/a_(b)).", "https://example.org/a_(b)"),
        ("https://example.org/?a=b&c=d#e, and", "https://example.org/?a=b&c=d#e"),
        ("||https://example.org/||", "https://example.org/"),
        ("<http://[::1]:8080/>", "http://[::1]:8080/"),
        ("https://bücher.example/ä!", "https://bücher.example/ä"),
        ("https://example.org/\u{202e}gnp.exe", "https://example.org/"),
    ] {
        let blocks = whole(text);
        let links: Vec<_> = flat(&blocks)
            .filter_map(|span| match span {
                Span::Link(url) => Some(url),
                _ => None,
            })
            .collect();
        assert_eq!(links, [link], "{text}");
    }
    for text in [
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.org",
        "//example.org",
        "https://",
        "https://?",
        "https://.",
        "xhttps://example.org",
        "https://bank@example.org/",
        "https://bank:a@example.org/",
        "https://bank\\@example.org/",
        "HTTPS://example.org",
        "`https://example.org`",
    ] {
        assert!(!flat(&whole(text)).any(|span| matches!(span, Span::Link(_))), "{text}");
    }
}

#[test]
fn code_shows_marks_as_they_are() {
    assert_eq!(line("a `b || c` d"), [Span::Text("a "), Span::Code("b || c"), Span::Text(" d")]);
    assert_eq!(line("``"), [Span::Text("``")]);
    assert_eq!(line("a `b"), [Span::Text("a `b")]);
    assert_eq!(
        whole("a\n```rust\n>b\n\n||c||\n```\nd"),
        [
            Block::Lines(vec![Line { green: false, spans: vec![Span::Text("a")] }]),
            Block::Code { info: "rust", text: ">b\n\n||c||\n" },
            Block::Lines(vec![Line { green: false, spans: vec![Span::Text("d")] }]),
        ]
    );
    assert_eq!(whole("```\n```"), [Block::Code { info: "", text: "" }]);
    assert!(matches!(whole("```\nnot closed").as_slice(), [Block::Lines(lines)] if lines.len() == 2));
}

#[test]
fn spoilers_hide_a_part_of_a_line_or_whole_lines() {
    assert_eq!(line("a ||b|| c"), [Span::Text("a "), Span::Spoiler(vec![Span::Text("b")]), Span::Text(" c")]);
    assert_eq!(line("||a"), [Span::Text("||a")]);
    assert_eq!(line("||||"), [Span::Text("||||")]);
    assert_eq!(
        whole("||\n>a\nb\n||"),
        [Block::Spoiler(vec![
            Line { green: true, spans: vec![Span::Text(">a")] },
            Line { green: false, spans: vec![Span::Text("b")] },
        ])]
    );
    assert!(matches!(whole("||\nnot closed").as_slice(), [Block::Lines(_)]));
}

#[test]
fn a_beginning_hides_what_may_be_a_spoiler() {
    assert_eq!(hidden("a ||secr", Extent::Beginning), "secr");
    assert_eq!(hidden("||\nsecr", Extent::Beginning), "secr");
    assert_eq!(hidden("```\n||\nsecr", Extent::Beginning), "secr");
    assert_eq!(hidden("a ||secr", Extent::Whole), "");
}

/// Text in which marks are likely.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "||", "|", "`", "```", "\n", "\n", "\n||\n", "\n```\n", ">", ">>", ">>0123abcd", "0123abcd", "https://",
            "http://e.example/", "h", "(", ")", "[", "]", ".", "@", " ", "é", "日", "\u{202e}", "\u{0}", "a",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// All spans, those in spoilers too.
fn flat<'a>(blocks: &'a [Block<'a>]) -> impl Iterator<Item = Span<'a>> {
    let lines = blocks.iter().flat_map(|block| match block {
        Block::Lines(lines) | Block::Spoiler(lines) => lines.as_slice(),
        Block::Code { .. } => &[],
    });
    lines.flat_map(|line| &line.spans).flat_map(|span| match span {
        Span::Spoiler(spans) => spans.clone(),
        other => vec![other.clone()],
    })
}

/// The comment again, from its tree.
fn source(blocks: &[Block<'_>]) -> String {
    fn spans(spans: &[Span<'_>]) -> String {
        spans
            .iter()
            .map(|span| match span {
                Span::Text(text) | Span::Link(text) => (*text).to_owned(),
                Span::Quote(digits) => format!(">>{digits}"),
                Span::Code(code) => format!("`{code}`"),
                Span::Spoiler(inner) => format!("||{}||", source_spans(inner)),
            })
            .collect()
    }
    let text = |block: &Block<'_>| match block {
        Block::Lines(lines) => lines.iter().map(|line| spans(&line.spans)).collect::<Vec<_>>().join("\n"),
        Block::Spoiler(lines) => {
            let lines: String = lines.iter().map(|line| spans(&line.spans) + "\n").collect();
            format!("||\n{lines}||")
        }
        Block::Code { info, text } => format!("```{info}\n{text}```"),
    };
    blocks.iter().map(text).collect::<Vec<_>>().join("\n")
}

/// Of a spoiler, in which there are no spoilers.
fn source_spans(spans: &[Span<'_>]) -> String {
    let line = |span: &Span<'_>| match span {
        Span::Spoiler(_) => panic!("a spoiler in a spoiler"),
        other => source(&[Block::Lines(vec![Line { green: false, spans: vec![other.clone()] }])]),
    };
    spans.iter().map(line).collect()
}

/// The hidden text.
fn hidden(text: &str, extent: Extent) -> String {
    let blocks = parse(text, extent);
    blocks
        .iter()
        .flat_map(|block| match block {
            Block::Spoiler(lines) => lines.iter().map(|line| source_spans(&line.spans)).collect(),
            Block::Lines(lines) => lines
                .iter()
                .flat_map(|line| &line.spans)
                .filter_map(|span| match span {
                    Span::Spoiler(spans) => Some(source_spans(spans)),
                    _ => None,
                })
                .collect(),
            Block::Code { .. } => Vec::new(),
        })
        .collect()
}

/// For every byte of `text` whether the tree hides it.
fn mask(text: &str, extent: Extent) -> Vec<bool> {
    fn hide(mask: &mut [bool], text: &str, spans: &[Span<'_>], all: bool) {
        for span in spans {
            match span {
                Span::Spoiler(inner) => hide(mask, text, inner, true),
                Span::Text(part) | Span::Link(part) | Span::Code(part) | Span::Quote(part) if all => {
                    let start = part.as_ptr() as usize - text.as_ptr() as usize;
                    mask[start..start + part.len()].fill(true);
                }
                _ => {}
            }
        }
    }
    let mut mask = vec![false; text.len()];
    for block in &parse(text, extent) {
        match block {
            Block::Lines(lines) => lines.iter().for_each(|line| hide(&mut mask, text, &line.spans, false)),
            Block::Spoiler(lines) => lines.iter().for_each(|line| hide(&mut mask, text, &line.spans, true)),
            Block::Code { .. } => {}
        }
    }
    mask
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::with_cases(4_000)
    })]

    /// Nothing a person wrote is lost, and no text makes it panic.
    #[test]
    fn the_tree_gives_the_text_back(text in texts()) {
        prop_assert_eq!(source(&whole(&text)), text);
    }

    /// Spoilers hold no spoilers, so a tree is at most block, line, spoiler, span deep.
    #[test]
    fn nesting_is_bounded(text in texts(), beginning in any::<bool>()) {
        let extent = if beginning { Extent::Beginning } else { Extent::Whole };
        let nested = flat(&parse(&text, extent)).any(|span| matches!(span, Span::Spoiler(_)));
        prop_assert!(!nested);
    }

    /// Whatever becomes a link has a scheme that runs nothing, and shows all of itself.
    #[test]
    fn links_are_http_and_plain(text in texts()) {
        for span in flat(&whole(&text)) {
            if let Span::Link(url) = span {
                prop_assert!(url.starts_with("https://") || url.starts_with("http://"));
                let hides = |c: char| c.is_whitespace() || c.is_control() || c == '\u{202e}';
                prop_assert!(!url.contains(hides));
            }
        }
    }

    /// An excerpt never shows what the comment hides.
    #[test]
    fn a_beginning_shows_nothing_that_the_whole_hides(text in texts(), cut in any::<prop::sample::Index>()) {
        let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let beginning = &text[..cuts[cut.index(cuts.len())]];
        let (part, all) = (mask(beginning, Extent::Beginning), mask(&text, Extent::Whole));
        for (at, (part, all)) in part.iter().zip(&all).enumerate() {
            // The marks themselves may show.
            let mark = matches!(text.as_bytes()[at], b'|' | b'`' | b'>' | b'\n');
            prop_assert!(*part || !all || mark, "byte {} of {:?} shows in {:?}", at, text, beginning);
        }
    }
}

/// A hostile comment of the largest size is read in time proportional to its size; quadratic time would show here as
/// minutes.
#[test]
fn hostile_comments_are_read() {
    for piece in ["||", "|a", "`", "```a\n", "||\n", ">>", "http://", "(", "https://a)", "`|", "||`", "\n"] {
        let text = piece.repeat(1_000_000 / piece.len());
        assert_eq!(source(&whole(&text)).len(), text.len());
        let _ = parse(&text, Extent::Beginning);
    }
}
