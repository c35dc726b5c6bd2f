//! From text to blocks and lines. What is inside a line is read by [`super::inline`].

use super::inline::{Marks, spans};
use super::tree::{Block, Line};

const SPOILER: &str = "||";
const CODE: &str = "```";

/// How much of a comment a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: a mark that is not closed is text.
    Whole,
    /// The beginning: a spoiler that is not closed may have been closed in what was cut off, so it stays hidden.
    Beginning,
}

/// Reads a comment. Never fails: what is no markup is text.
#[must_use]
pub(crate) fn parse(text: &str, extent: Extent) -> Vec<Block<'_>> {
    let mut parser =
        Parser { rest: Some(text), extent, blocks: Vec::new(), code_closes: true, spoiler_closes: true };
    while let Some(line) = parser.next_line() {
        if !parser.code_block(line) && !parser.spoiler_block(line) {
            parser.line(line);
        }
    }
    parser.blocks
}

struct Parser<'a> {
    /// What follows the line being read, without the line break; `None` after the last line.
    rest: Option<&'a str>,
    extent: Extent,
    blocks: Vec<Block<'a>>,
    /// Whether a closing mark can still follow. Once a search to the end was in vain no other is made, which keeps
    /// the time linear.
    code_closes: bool,
    spoiler_closes: bool,
}

impl<'a> Parser<'a> {
    fn next_line(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (line, rest) = cut_line(rest);
        self.rest = rest;
        Some(line)
    }

    fn line(&mut self, line: &'a str) {
        let last = self.rest.is_none();
        let line =
            read_line(line, Marks { spoilers: true, open_end: last && self.extent == Extent::Beginning });
        match self.blocks.last_mut() {
            Some(Block::Lines(lines)) => lines.push(line),
            _ => self.blocks.push(Block::Lines(vec![line])),
        }
    }

    fn code_block(&mut self, line: &'a str) -> bool {
        let Some(info) = line.strip_prefix(CODE).filter(|info| !info.contains('`')) else { return false };
        let Some((text, rest)) = self.code_closes.then(|| self.enclosed(CODE)).flatten() else {
            self.code_closes = false;
            return false;
        };
        self.rest = rest;
        self.blocks.push(Block::Code { info, text });
        true
    }

    fn spoiler_block(&mut self, line: &'a str) -> bool {
        if line != SPOILER {
            return false;
        }
        let closed = self.spoiler_closes.then(|| self.enclosed(SPOILER)).flatten();
        self.spoiler_closes = closed.is_some();
        let cut_off = self.rest.filter(|_| self.extent == Extent::Beginning).map(|rest| (rest, None));
        let Some((text, rest)) = closed.or(cut_off) else { return false };
        self.rest = rest;
        let marks = Marks { spoilers: false, open_end: false };
        let lines = text.split_terminator('\n').map(|line| read_line(line, marks)).collect();
        self.blocks.push(Block::Spoiler(lines));
        true
    }

    /// The lines up to one that is just `mark`, each with its line break, and what follows that line.
    fn enclosed(&self, mark: &str) -> Option<(&'a str, Option<&'a str>)> {
        let text = self.rest?;
        let mut from = text;
        loop {
            let (line, rest) = cut_line(from);
            if line == mark {
                return Some((&text[..text.len() - from.len()], rest));
            }
            from = rest?;
        }
    }
}

/// A line, and what follows its line break if it has one.
fn cut_line(text: &str) -> (&str, Option<&str>) {
    match text.split_once('\n') {
        Some((line, rest)) => (line, Some(rest)),
        None => (text, None),
    }
}

fn read_line(line: &str, marks: Marks) -> Line<'_> {
    let spans = spans(line, marks);
    let green = line.starts_with('>') && !matches!(spans.first(), Some(super::Span::Quote(_)));
    Line { green, spans }
}
