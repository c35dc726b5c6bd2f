//! A comment on the page: the syntax tree as text nodes and elements. Nothing written by a person is ever HTML.

use chanterelle_core::base::EventId;
use chanterelle_core::view::QuoteTarget;
use leptos::ev;
use leptos::html;
use leptos::prelude::*;

use super::paths::post_path;
use crate::i18n as t;
use crate::kit::{escape_pressed, live};
use crate::markup::{Block, Extent, Line, Span, parse};

/// What quotes in a comment mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quotes {
    /// The posts the comment refers to.
    pub targets: Vec<QuoteTarget>,
    /// The opening post of the thread the comment is shown in.
    pub thread: EventId,
    /// The path of that thread.
    pub path: String,
}

/// The whole comment, with everything in it that can be used.
pub(crate) fn comment(text: &str, quotes: &Quotes) -> AnyView {
    Renderer { quotes: Some(quotes) }.blocks(&parse(text, Extent::Whole))
}

/// A comment or the beginning of one, to look at: spoilers stay hidden, links and quotes are text.
pub(crate) fn excerpt(text: &str) -> AnyView {
    Renderer { quotes: None }.blocks(&parse(text, Extent::Beginning))
}

struct Renderer<'a> {
    /// `None` where nothing can be used.
    quotes: Option<&'a Quotes>,
}

impl Renderer<'_> {
    fn blocks(&self, blocks: &[Block<'_>]) -> AnyView {
        let mut views = Vec::new();
        for (at, block) in blocks.iter().enumerate() {
            // Code brings the line break before its closing mark along.
            if at > 0 && !matches!(blocks[at - 1], Block::Code { .. }) {
                views.push("\n".into_any());
            }
            match block {
                Block::Lines(lines) => self.lines(lines, &mut views),
                Block::Spoiler(lines) => {
                    let mut hidden = Vec::new();
                    self.lines(lines, &mut hidden);
                    views.push(self.spoiler(hidden));
                }
                Block::Code { info, text } => {
                    // A block that scrolls must be reachable by keyboard.
                    let code = html::pre().attr("tabindex", self.quotes.map(|_| "0"));
                    let code = code.attr("data-language", (!info.is_empty()).then(|| (*info).to_owned()));
                    views.push(code.child(html::code().child((*text).to_owned())).into_any());
                }
            }
        }
        views.into_any()
    }

    fn lines(&self, lines: &[Line<'_>], views: &mut Vec<AnyView>) {
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                views.push("\n".into_any());
            }
            if line.green {
                views.push(html::span().class("green").child(self.spans(&line.spans)).into_any());
            } else {
                views.extend(self.spans(&line.spans));
            }
        }
    }

    fn spans(&self, spans: &[Span<'_>]) -> Vec<AnyView> {
        spans.iter().map(|span| self.span(span)).collect()
    }

    fn span(&self, span: &Span<'_>) -> AnyView {
        match (span, self.quotes) {
            (Span::Text(text), _) => (*text).to_owned().into_any(),
            (Span::Code(code), _) => html::code().child((*code).to_owned()).into_any(),
            (Span::Spoiler(spans), _) => self.spoiler(self.spans(spans)),
            (Span::Quote(digits), Some(quotes)) => quote(digits, quotes),
            (Span::Link(url), Some(_)) => html::a()
                .href((*url).to_owned())
                .rel("noopener noreferrer nofollow")
                .target("_blank")
                .child((*url).to_owned())
                .into_any(),
            (Span::Quote(digits), None) => {
                html::span().class("quote").child(format!(">>{digits}")).into_any()
            }
            (Span::Link(url), None) => html::span().class("link").child((*url).to_owned()).into_any(),
        }
    }

    fn spoiler(&self, content: Vec<AnyView>) -> AnyView {
        if self.quotes.is_some() { spoiler(content) } else { covered() }
    }
}

/// A place where a spoiler is, which never shows it.
fn covered() -> AnyView {
    html::span().class("spoiler-cover").child(t::HIDDEN).into_any()
}

/// Hidden until clicked or pressed; shown as long as it has the focus. What is hidden is out of reach for keyboard and
/// screen reader too.
fn spoiler(content: Vec<AnyView>) -> AnyView {
    let shown = RwSignal::new(false);
    let show = move || shown.set(true);
    let hidden = move |value: &'static str| live(move || (!shown.get()).then_some(value));
    html::span()
        .class("spoiler")
        .class(("shown", live(move || shown.get())))
        .attr("role", hidden("button"))
        .attr("aria-label", hidden(t::SPOILER))
        .attr("tabindex", "0")
        .on(ev::click, move |_| show())
        .on(ev::keydown, move |event| match event.key().as_str() {
            "Enter" | " " if !shown.get_untracked() => {
                event.prevent_default();
                show();
            }
            _ if escape_pressed(&event) => shown.set(false),
            _ => {}
        })
        .child(html::span().class("spoiler-text").attr("inert", hidden("")).child(content))
        .into_any()
}

fn quote(digits: &str, quotes: &Quotes) -> AnyView {
    let text = format!(">>{digits}");
    let Some(target) = quotes.targets.iter().find(|target| target.id.short() == digits) else {
        return html::span().class("quote-unknown").attr("title", t::UNKNOWN_QUOTE).child(text).into_any();
    };
    quote_link(&target.id, target, quotes)
}

/// A link to a post, as `>>` and 8 digits. Its preview is the concern of [`super::preview`].
fn quote_link(id: &EventId, target: &QuoteTarget, quotes: &Quotes) -> AnyView {
    let elsewhere = match &target.place {
        Some((Some(board), thread)) if *thread != quotes.thread => Some(post_path(board, thread, id)),
        _ => None,
    };
    let marks = (
        target.own.then(|| mark(t::YOU)),
        (*id == quotes.thread).then(|| mark(t::OP)),
        elsewhere.is_some().then(|| mark(t::ELSEWHERE)),
    );
    let href = elsewhere.unwrap_or_else(|| format!("{}#{id}", quotes.path));
    let link = html::a()
        .class("quote")
        .attr("data-ref", id.to_string())
        .href(href)
        .child(format!(">>{}", id.short()));
    (link, marks).into_any()
}

/// A small word behind a name or number.
pub(crate) fn mark(text: &'static str) -> AnyView {
    html::span().class("mark").child((" ", text)).into_any()
}
