//! The syntax tree of a comment. It borrows from the comment and holds every character of it but the marks.

/// A part of a comment that stands on lines of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block<'a> {
    /// Lines of text.
    Lines(Vec<Line<'a>>),
    /// Lines hidden until they are asked for.
    Spoiler(Vec<Line<'a>>),
    /// Code, shown as it stands.
    Code {
        /// What follows the opening mark on its line; by custom the language.
        info: &'a str,
        /// The code. Empty, or with the line break before the closing mark.
        text: &'a str,
    },
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Whether it is greentext. Its `>` is the first character of the first span.
    pub green: bool,
    /// What is in it; empty for an empty line.
    pub spans: Vec<Span<'a>>,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span<'a> {
    /// Plain text.
    Text(&'a str),
    /// A quote: the digits after `>>`.
    Quote(&'a str),
    /// A link: a whole `http` or `https` URL.
    Link(&'a str),
    /// Code.
    Code(&'a str),
    /// Text hidden until it is asked for. Holds no spoiler.
    Spoiler(Vec<Span<'a>>),
}
