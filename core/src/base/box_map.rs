//! A map whose values lie each in a place of its own.
//!
//! A B-tree keeps keys and values side by side, so that each kind of value makes a program of its own to search, split and
//! join its nodes, 7 KiB of the page's. Of values in boxes it sees pointers alone, and all maps with keys of one shape share
//! one.

use std::collections::BTreeMap;
use std::collections::btree_map;

/// [`BTreeMap`] of `K` to boxed `V`, as if the boxes were not there.
#[derive(Clone, Debug)]
pub(crate) struct BoxMap<K, V>(BTreeMap<K, Box<V>>);

impl<K, V> Default for BoxMap<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> BoxMap<K, V> {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key).map(Box::as_mut)
    }

    /// The value, which is made if there is none.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(|| Box::new(make()))
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, Box::new(value)).map(|before| *before)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key).map(|value| *value)
    }

    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain(|key, value| keeps(key, value));
    }

    pub(crate) fn keys(&self) -> btree_map::Keys<'_, K, Box<V>> {
        self.0.keys()
    }

    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.values().map(Box::as_ref)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut().map(Box::as_mut)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, &**value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (key, &mut **value))
    }
}

/// Of one key the last value stays. Without sorting first, as [`super::map_of`].
impl<K: Ord, V> FromIterator<(K, V)> for BoxMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let mut map = Self::new();
        items.into_iter().for_each(|(key, value)| drop(map.insert(key, value)));
        map
    }
}
