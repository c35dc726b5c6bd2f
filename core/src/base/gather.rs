//! Sets and maps from iterators, without the code to sort them.

use std::collections::{BTreeMap, BTreeSet};

/// What the iterator yields. `collect` sorts first, which brings 4 KB of merge sort into the page for every type.
pub(crate) fn set_of<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

/// The same for a map; of one key the last value stays.
pub(crate) fn map_of<K: Ord, V>(items: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(items);
    map
}
