//! What a comment means: text in, syntax tree out. Knows no browser, so it is tested natively.
//!
//! The markup, all of it:
//!
//! | written | means |
//! |---|---|
//! | a line that begins with `>` and not with a quote | greentext |
//! | `>>` and 8 hexadecimal digits | a quote of a post |
//! | `||text||` within a line | a spoiler |
//! | lines between two lines that are just `||` | a spoiler of several lines |
//! | `` `text` `` within a line | code |
//! | lines between a line that begins with ```` ``` ```` and a line that is just ```` ``` ```` | a block of code |
//! | `http://…` and `https://…` | a link, shown in full; no other scheme is ever a link |
//!
//! Spoilers do not nest, so a tree has at most four levels whatever is written. What is not closed is plain text, and
//! every character is either shown or part of a mark: nothing a person wrote is lost. Parsing takes time in proportion
//! to the text's length.
//!
//! Which post a quote means is not decided here, and nothing here makes HTML.

mod inline;
mod parse;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use parse::{Extent, parse};
pub(crate) use tree::{Block, Line, Span};
