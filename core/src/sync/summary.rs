//! What tells two sets apart in few bytes: a root of all, digests of spans, and how much to ask for.
//!
//! Digests are taken under the salt of the side that answers, so that nobody else can make two sets look the same;
//! the root is not, and stands on the fold of the set alone.

use super::bits::names_bytes;
use super::riblt::needed;
use super::set::{DaySet, fold_of};
use super::short::Salt;
use super::span::Span;
use crate::base::Day;
use crate::crypto::sync_root;
use crate::store::Fold;

/// Bytes of a cell.
const CELL_BYTES: u64 = 8;

/// Bytes that a summary and a question take: 384 of the tally, and 4 for each of some 30 spans.
const SUMMARY_BYTES: u64 = 520;

/// What two peers that hold the same from a day on both come to.
pub(super) fn root(since: Day, fold: &Fold) -> [u8; 16] {
    sync_root(since, &fold.to_bytes())
}

/// The digest of a span; of one without events there is none.
pub(super) fn digest(salt: &Salt, fold: &Fold) -> Option<u32> {
    // Four bytes: one span of 2^32 that differ is found an hour later, under another salt.
    (fold.count() > 0).then(|| salt.digest(fold) as u32)
}

/// The spans with their folds.
pub(super) fn folded(set: &dyn DaySet, spans: impl IntoIterator<Item = Span>) -> Vec<(Span, Fold)> {
    spans.into_iter().map(|span| (span, fold_of(set, span))).collect()
}

/// The fold of all these spans.
pub(super) fn total(spans: &[(Span, Fold)]) -> Fold {
    let mut total = Fold::default();
    spans.iter().for_each(|(_, fold)| total.unite(fold));
    total
}

/// Whether all short names of a set of `count` events are fewer bytes than a summary and then cells, to somebody
/// who holds `other` events: at least so many differ as the numbers do.
pub(super) fn whole_is_shorter(count: u64, other: u64) -> bool {
    !cells_are_shorter(needed(count.abs_diff(other)).saturating_add(SUMMARY_BYTES / CELL_BYTES), count)
}

/// Whether so many cells are fewer bytes than `count` short names.
pub(super) fn cells_are_shorter(cells: u64, count: u64) -> bool {
    cells.saturating_mul(CELL_BYTES) < names_bytes(count)
}
