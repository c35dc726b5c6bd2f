//! The side that begins: from a root to the events that either side lacks, in a few questions.
//!
//! 1. A root. Equal peers are done.
//! 2. The other side's digests tell which spans differ, its tally how many events do.
//! 3. So many cells of those spans, less one's own, give the short names of what differs; of too few, more are
//!    asked for. Where that is fewer bytes, all short names of those spans instead.
//! 4. What only the other side has is fetched by its short names ([`Needs`]).
//!
//! An exchange holds what it was told and nothing of its own set, which may change between two answers. A result is
//! a hint: each event is checked when it comes, and the next root tells whether something was overlooked. Waits for
//! nothing and knows no time; who calls it gives up what takes too long.

use super::estimate::Sent;
use super::message::{CELLS_HEAD, End, MAX_CELLS, Message, Opening, Page};
use super::respond::{ExchangeError, Held};
use super::riblt::{decode, needed};
use super::set::fold_since;
use super::short::{SHORT_MASK, Salt};
use super::span::Span;
use super::summary::{cells_are_shorter, digest, folded, root, total};
use crate::base::{Day, EventId};

/// Answers after which an exchange is given up: as many pages of short names hold more than 10 million.
const MAX_STEPS: u32 = 1_024;

/// How often an exchange begins anew because the other side has changed its salt, or what it holds between two
/// questions for cells. Who changes more often is asked for short names, of which each page stands alone.
const MAX_RESTARTS: u32 = 3;

/// Short names that a page holds at least when it ends in the middle of a span.
const MIN_PAGE: usize = 64;

/// Missing events after which an exchange ends: those are fetched first, the next exchange finds the rest.
const MAX_NEEDS: usize = 1 << 16;

/// What comes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next message.
    Ask(Vec<u8>),
    /// The exchange is over.
    Done(Found),
}

/// What an exchange has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The first day of the window that both sides hold: the next exchange with this peer begins with it.
    pub since: Day,
    /// Events only this side has.
    pub have: Vec<EventId>,
    /// Events only the other side has.
    pub need: Needs,
    /// Whether more differs than was looked at: spans that were not free, or more events than are fetched at a
    /// time.
    pub is_partial: bool,
    /// Whether the two sets were not the same. Of who says so again and again, and shows no difference, another way
    /// of reconciling tells whether it lies.
    pub differed: bool,
}

/// What only the other side has, by its short names: the latest first, as far as is known when they are from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    opening: Option<Opening>,
    /// Names, ascending, and the spans they are in, the first to be asked for behind.
    groups: Vec<(Vec<Span>, Vec<u64>)>,
}

impl Needs {
    /// How many events.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.iter().map(|(_, names)| names.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The spans that they are in.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.groups.iter().filter(|(_, names)| !names.is_empty()).flat_map(|(spans, _)| spans)
    }

    /// The next message that asks for at most `limit` of them, at least one; `None` when all have been asked for.
    pub fn next_message(&mut self, limit: usize) -> Option<Vec<u8>> {
        let (mut selected, mut names) = (Vec::new(), Vec::new());
        while names.len() < limit.max(1)
            && let Some((spans, rest)) = self.groups.last_mut()
        {
            if !rest.is_empty() {
                selected.extend_from_slice(spans);
                names.extend(rest.drain(..rest.len().min(limit.max(1) - names.len())));
            }
            if rest.is_empty() {
                self.groups.pop();
            }
        }
        // Two spans may have a name in common.
        names.sort_unstable();
        names.dedup();
        let opening = self.opening.filter(|_| !names.is_empty())?;
        Some(Message::Fetch { head: opening.head(selected), names }.encode())
    }
}

/// How many of the events asked for the other side does not have, when it says so.
///
/// # Errors
/// When the message says something else.
pub fn unknown_names(message: &[u8]) -> Result<usize, ExchangeError> {
    match Message::decode(message).ok_or(ExchangeError::Unreadable)? {
        Message::Unknown { names } => Ok(names.len()),
        _ => Err(ExchangeError::Unasked),
    }
}

/// One exchange about one scope with one peer.
#[derive(Debug)]
pub struct Exchange {
    /// The window that was asked about, and the one that both hold.
    since: Day,
    common: Day,
    root: [u8; 16],
    phase: Phase,
    steps: u32,
    restarts: u32,
    have: Vec<EventId>,
    is_partial: bool,
    differed: bool,
}

#[derive(Debug)]
enum Phase {
    Opened,
    Cells(Cells),
    List(List),
}

/// Cells are being collected.
#[derive(Debug)]
struct Cells {
    opening: Opening,
    selected: Vec<Span>,
    /// The other side's digest of these spans, the same in all answers.
    digest: Option<u64>,
    /// How many events it has in them, about.
    count: u64,
    cells: Vec<u64>,
    wanted: u64,
}

/// Short names are being collected.
#[derive(Debug)]
struct List {
    opening: Opening,
    /// The spans still to come, ascending: the last comes first.
    selected: Vec<Span>,
    /// Of that one, the least name still to come.
    next: u64,
    needs: Vec<(Vec<Span>, Vec<u64>)>,
    count: usize,
}

impl Exchange {
    /// Begins. `since` is the first day of the window that both hold as far as known, the own one before the first
    /// exchange with this peer.
    pub fn begin(held: &Held<'_>, since: Day) -> (Self, Vec<u8>) {
        let since = since.max(held.set.since());
        let (fold, _) = fold_since(held.set, since);
        let root = root(since, &fold);
        let (phase, have) = (Phase::Opened, Vec::new());
        let (steps, restarts, is_partial, differed) = (0, 0, false, true);
        let exchange =
            Self { since, common: since, root, phase, steps, restarts, have, is_partial, differed };
        (exchange, Message::Root { since, count: fold.count(), root }.encode())
    }

    /// The spans that are being compared: none before the first answer.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        match &self.phase {
            Phase::Opened => &[],
            Phase::Cells(cells) => &cells.selected,
            Phase::List(list) => &list.selected,
        }
    }

    /// Goes on with an answer. Spans that are not `free` are left out: somebody else is asked for what is in them.
    ///
    /// # Errors
    /// When the answer is none, or cannot be true; the exchange is over then.
    pub fn on_answer(
        &mut self,
        held: &mut Held<'_>,
        free: &dyn Fn(&Span) -> bool,
        message: &[u8],
    ) -> Result<Step, ExchangeError> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(ExchangeError::Endless);
        }
        if message.len() > held.message_bytes {
            return Err(ExchangeError::Unreadable);
        }
        let message = Message::decode(message).ok_or(ExchangeError::Unreadable)?;
        match (core::mem::replace(&mut self.phase, Phase::Opened), message) {
            (Phase::Opened, Message::Equal) if self.steps == 1 => {
                self.differed = false;
                Ok(self.done(Needs::default()))
            }
            (Phase::Opened, Message::Whole { opening, page }) if self.steps == 1 => {
                self.window(&opening)?;
                if let Some(behind) = behind(&opening) {
                    held.set.ids(behind, &mut |id| self.have.push(*id));
                }
                let selected = opening.spans();
                self.on_page(held, List { opening, selected, next: 0, needs: Vec::new(), count: 0 }, page)
            }
            (Phase::Opened, Message::Summary { opening, digests, tally }) if self.steps == 1 => {
                self.on_summary(held, free, opening, &digests, &tally)
            }
            (Phase::Cells(_) | Phase::List(_), Message::Summary { opening, digests, tally }) => {
                // The salt has changed meanwhile.
                self.restart()?;
                self.have.clear();
                self.on_summary(held, free, opening, &digests, &tally)
            }
            (Phase::Cells(state), Message::Cells { digest, count, cells }) => {
                self.on_cells(held, state, digest, count, &cells)
            }
            (Phase::List(state), Message::List(page)) => self.on_page(held, state, page),
            _ => Err(ExchangeError::Unasked),
        }
    }

    fn on_summary(
        &mut self,
        held: &mut Held<'_>,
        free: &dyn Fn(&Span) -> bool,
        opening: Opening,
        digests: &[Option<u32>],
        theirs: &Sent,
    ) -> Result<Step, ExchangeError> {
        self.window(&opening)?;
        let mut spans = folded(held.set, opening.spans());
        let (mut selected, mut only_ours) = (Vec::new(), Vec::new());
        // Of the spans that are asked about, the other side has what it has not in the others.
        let (mut count, mut busy) = (theirs.count, 0);
        for ((span, fold), digest_of_theirs) in spans.iter().zip(digests) {
            let same = digest(&opening.salt, fold) == *digest_of_theirs;
            if same {
                count = count.saturating_sub(fold.count());
            } else if digest_of_theirs.is_none() {
                only_ours.push((*span, *fold));
            } else if free(span) {
                selected.push(*span);
            } else {
                count = count.saturating_sub(fold.count());
                busy += 1;
            }
        }
        if let Some(behind) = behind(&opening) {
            let behind = folded(held.set, [behind]);
            spans.extend_from_slice(&behind);
            only_ours.extend(behind);
        }
        let known = total(&only_ours).count();
        only_ours.iter().for_each(|(span, _)| held.set.ids(*span, &mut |id| self.have.push(*id)));
        self.is_partial = busy > 0;
        if selected.is_empty() {
            let unchanged = root(self.since, &fold_since(held.set, self.since).0) == self.root;
            if busy == 0 && known == 0 && unchanged && opening.since == self.since {
                return Err(ExchangeError::Contradiction);
            }
            return Ok(self.done(Needs::default()));
        }
        let guess = held.cache.tally(held.scope, held.set, &spans).distance(theirs).saturating_sub(known);
        // What is left to others is part of it, as large a part as of the spans: too few cells are no harm.
        let asked = selected.len() as u64;
        let guess = guess.saturating_mul(asked) / (asked + busy);
        let wanted = needed(guess.max(asked));
        let cells = Cells { opening, selected, digest: None, count, cells: Vec::new(), wanted };
        Ok(self.ask(held, cells))
    }

    fn on_cells(
        &mut self,
        held: &mut Held<'_>,
        mut state: Cells,
        digest: u64,
        count: u64,
        cells: &[u64],
    ) -> Result<Step, ExchangeError> {
        if cells.len() as u64 > room(held).min(state.wanted - state.cells.len() as u64) {
            return Err(ExchangeError::Unasked);
        }
        state.count = count;
        if *state.digest.get_or_insert(digest) != digest {
            // Cells of two different sets do not go together.
            state.cells.clear();
            state.digest = None;
            return match self.restart() {
                Ok(()) => Ok(self.ask(held, state)),
                Err(_) => Ok(self.list(state.opening, state.selected)),
            };
        }
        state.cells.extend_from_slice(cells);
        if (state.cells.len() as u64) < state.wanted {
            return Ok(self.ask(held, state));
        }
        let salt = state.opening.salt;
        let spans = folded(held.set, state.selected.iter().copied());
        let ours = held.cache.cells(held.scope, held.set, &salt, &spans, state.cells.len());
        let difference = state.cells.iter().zip(ours).map(|(theirs, ours)| theirs ^ ours).collect();
        let Some(names) = decode(difference, salt.key()) else {
            state.wanted += state.wanted / 2 + 8;
            return Ok(self.ask(held, state));
        };
        let mut had = Vec::new();
        for span in &state.selected {
            held.set.ids(*span, &mut |id| {
                if let Ok(at) = names.binary_search(&salt.short(id)) {
                    had.push(at);
                    self.have.push(*id);
                }
            });
        }
        let own = total(&spans);
        held.cache.worked(own.count());
        had.sort_unstable();
        // Of own events with one name the other side has some, nobody can tell which; then numbers tell nothing.
        let are_twins = had.windows(2).any(|pair| pair[0] == pair[1]);
        let had_count = had.len() as u64;
        let need = without(&names, had);
        let adds_up = are_twins || own.count() + need.len() as u64 == count + had_count;
        if !adds_up || names.is_empty() != (salt.digest(&own) == digest) {
            return Err(ExchangeError::Contradiction);
        }
        Ok(self.done(Needs { opening: Some(state.opening), groups: vec![(state.selected, need)] }))
    }

    fn on_page(&mut self, held: &mut Held<'_>, mut state: List, page: Page) -> Result<Step, ExchangeError> {
        let runs = page.runs.len();
        let fits = match page.end {
            End::Whole => runs == state.selected.len(),
            End::Span => runs < state.selected.len(),
            // A long list in small pieces is no honest one.
            End::Name => {
                runs <= state.selected.len() && page.runs.iter().map(Vec::len).sum::<usize>() >= MIN_PAGE
            }
        };
        if !fits || page.runs[0].first().is_some_and(|first| *first < state.next) {
            return Err(ExchangeError::Unasked);
        }
        for (at, names) in page.runs.into_iter().enumerate() {
            let span = state.selected.pop().expect("no more runs than spans");
            let is_cut = page.end == End::Name && at + 1 == runs;
            let end = names.last().copied().filter(|_| is_cut).unwrap_or(SHORT_MASK);
            let missing = self.compare(held, &state.opening.salt, span, state.next..=end, &names);
            state.count += missing.len();
            state.needs.push((vec![span], missing));
            state.next = 0;
            if is_cut {
                state.selected.push(span);
                state.next = end + 1;
            }
        }
        if page.end != End::Whole && state.count < MAX_NEEDS {
            let message =
                Message::More { head: state.opening.head(state.selected.clone()), from: state.next };
            self.phase = Phase::List(state);
            return Ok(Step::Ask(message.encode()));
        }
        self.is_partial |= page.end != End::Whole;
        state.needs.reverse();
        Ok(self.done(Needs { opening: Some(state.opening), groups: state.needs }))
    }

    /// Which of these names no own event of the span has. Of own events whose names are in the range and not among
    /// them, the other side has none.
    fn compare(
        &mut self,
        held: &mut Held<'_>,
        salt: &Salt,
        span: Span,
        range: core::ops::RangeInclusive<u64>,
        names: &[u64],
    ) -> Vec<u64> {
        let (mut had, mut seen) = (Vec::new(), 0);
        held.set.ids(span, &mut |id| {
            seen += 1;
            let name = salt.short(id);
            match names.binary_search(&name) {
                Ok(at) => had.push(at),
                Err(_) if range.contains(&name) => self.have.push(*id),
                Err(_) => {}
            }
        });
        held.cache.worked(seen);
        without(names, had)
    }

    /// Asks for the cells that are wanted and not here, or for short names where those are fewer bytes.
    fn ask(&mut self, held: &Held<'_>, state: Cells) -> Step {
        let from = state.cells.len() as u64;
        if state.wanted > MAX_CELLS || !cells_are_shorter(state.wanted - from, state.count) {
            return self.list(state.opening, state.selected);
        }
        let count = (state.wanted - from).min(room(held));
        let message = Message::Ask { head: state.opening.head(state.selected.clone()), from, count };
        self.phase = Phase::Cells(state);
        Step::Ask(message.encode())
    }

    fn list(&mut self, opening: Opening, selected: Vec<Span>) -> Step {
        let message = Message::More { head: opening.head(selected.clone()), from: 0 };
        self.phase = Phase::List(List { opening, selected, next: 0, needs: Vec::new(), count: 0 });
        Step::Ask(message.encode())
    }

    /// The window that both hold is the shorter one.
    fn window(&mut self, opening: &Opening) -> Result<(), ExchangeError> {
        if opening.since < self.since {
            return Err(ExchangeError::Unasked);
        }
        self.common = opening.since;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), ExchangeError> {
        self.restarts += 1;
        if self.restarts > MAX_RESTARTS { Err(ExchangeError::Endless) } else { Ok(()) }
    }

    fn done(&mut self, need: Needs) -> Step {
        let (since, have) = (self.common, core::mem::take(&mut self.have));
        Step::Done(Found { since, have, need, is_partial: self.is_partial, differed: self.differed })
    }
}

/// The names at other places than these.
fn without(names: &[u64], mut places: Vec<usize>) -> Vec<u64> {
    places.sort_unstable();
    (0..names.len()).filter(|at| places.binary_search(at).is_err()).map(|at| names[at]).collect()
}

/// The days behind the last on which the other side has events.
fn behind(opening: &Opening) -> Option<Span> {
    opening.last.0.checked_add(1).map(|next| Span { from: Day(next), to: Day(u32::MAX) })
}

/// Cells in one message.
fn room(held: &Held<'_>) -> u64 {
    (held.message_bytes.saturating_sub(CELLS_HEAD) / 8) as u64
}
