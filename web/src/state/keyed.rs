//! A sorted collection of which each item is a signal of its own, so that a change to one redraws no other.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use chanterelle_core::base::{BoardId, BoardName, EventId, Seconds, ThreadId};
use chanterelle_core::view::{BoardCard, Delta, PostView, ThreadCard};
use leptos::prelude::*;

/// What can be in a [`Keyed`].
pub(crate) trait Item: Clone + PartialEq + Send + Sync + 'static {
    /// What it is known by.
    type Key: Copy + Ord + Send + Sync + 'static;
    /// What it is sorted by, least first.
    type Rank: Clone + Ord + Send + Sync + 'static;

    /// What this item is known by.
    fn key(&self) -> Self::Key;
    /// Where it stands.
    fn rank(&self) -> Self::Rank;
}

impl Item for BoardCard {
    type Key = BoardId;
    type Rank = (Reverse<Option<Seconds>>, BoardName);

    fn key(&self) -> BoardId {
        self.id
    }

    fn rank(&self) -> Self::Rank {
        (Reverse(self.last), self.name.clone())
    }
}

impl Item for ThreadCard {
    type Key = ThreadId;
    type Rank = Reverse<(Seconds, ThreadId)>;

    fn key(&self) -> ThreadId {
        self.id
    }

    fn rank(&self) -> Self::Rank {
        Reverse((self.bumped, self.id))
    }
}

impl Item for PostView {
    type Key = EventId;
    type Rank = (bool, Seconds, EventId);

    fn key(&self) -> EventId {
        self.id
    }

    fn rank(&self) -> Self::Rank {
        (!self.opens, self.time, self.id)
    }
}

/// In boxes: all kinds of items whose keys are ids then share one map's program.
type Ranked<V> = BTreeMap<<V as Item>::Key, Box<(<V as Item>::Rank, ArcRwSignal<V>)>>;

/// Items in their order.
pub(crate) struct Keyed<V: Item> {
    items: StoredValue<Ranked<V>>,
    order: RwSignal<Vec<V::Key>>,
}

impl<V: Item> Clone for Keyed<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: Item> Copy for Keyed<V> {}

impl<V: Item> Keyed<V> {
    /// An empty collection, which lives as long as the reactive owner it is made under.
    pub(crate) fn new() -> Self {
        Self { items: StoredValue::new(BTreeMap::new()), order: RwSignal::new(Vec::new()) }
    }

    /// The keys, in order.
    pub(crate) fn order(self) -> RwSignal<Vec<V::Key>> {
        self.order
    }

    /// An item; `None` when it is not in the collection.
    pub(crate) fn get(self, key: &V::Key) -> Option<ArcRwSignal<V>> {
        self.items.with_value(|items| items.get(key).map(|held| held.1.clone()))
    }

    /// Applies a change. Only items that differ are signalled, and the order only if it is another.
    pub(crate) fn apply(self, delta: Delta<V::Key, V>) {
        let mut moved = !delta.remove.is_empty();
        self.items.update_value(|items| {
            // Items that come again after a reset stay the signals they are.
            let mut before = if delta.reset { std::mem::take(items) } else { BTreeMap::new() };
            for key in &delta.remove {
                items.remove(key);
            }
            for value in delta.put {
                let (key, rank) = (value.key(), value.rank());
                if let Some(held) = before.remove(&key) {
                    items.insert(key, held);
                }
                match items.get_mut(&key) {
                    Some(held) => {
                        let (old_rank, item) = &mut **held;
                        moved |= *old_rank != rank;
                        *old_rank = rank;
                        if item.with_untracked(|old| *old != value) {
                            item.set(value);
                        }
                    }
                    None => {
                        moved = true;
                        items.insert(key, Box::new((rank, ArcRwSignal::new(value))));
                    }
                }
            }
            moved |= !before.is_empty();
        });
        if moved {
            self.order.set(self.items.with_value(|items| {
                let ranks: Vec<_> = items.iter().map(|(key, held)| (&held.0, *key)).collect();
                let order = sorted(ranks.len(), &|left, right| ranks[left].cmp(&ranks[right]));
                order.into_iter().map(|at| ranks[at].1).collect()
            }));
        }
    }
}

/// The numbers up to `len`, least first. Not generic: sorting each kind of item by itself costs 40 KiB of program a kind.
fn sorted(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|&left, &right| compare(left, right));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn card(name: &str, last: u64, posts: u32) -> BoardCard {
        let name = BoardName::new(name).expect("a board name");
        let mut id = [0; 32];
        id[..name.as_str().len()].copy_from_slice(name.as_str().as_bytes());
        BoardCard { id: BoardId(id), name, threads: 0, posts, last: Some(Seconds(last)), subscribed: false }
    }

    fn names(keyed: Keyed<BoardCard>) -> Vec<String> {
        let name = |key: &BoardId| keyed.get(key).expect("in the order").get_untracked().name.to_string();
        keyed.order().get_untracked().iter().map(name).collect()
    }

    fn delta(reset: bool, remove: &[&str], put: Vec<BoardCard>) -> Delta<BoardId, BoardCard> {
        Delta { reset, remove: remove.iter().map(|name| card(name, 0, 0).id).collect(), put }
    }

    #[test]
    fn keeps_the_order_through_every_change() {
        let owner = Owner::new();
        owner.set();
        let keyed = Keyed::new();
        keyed.apply(delta(true, &[], vec![card("a", 1, 0), card("c", 3, 0), card("b", 2, 0)]));
        assert_eq!(names(keyed), ["c", "b", "a"]);
        keyed.apply(delta(false, &["b"], vec![card("a", 9, 0), card("d", 3, 0)]));
        assert_eq!(names(keyed), ["a", "c", "d"]);
        keyed.apply(delta(true, &[], vec![card("e", 1, 0), card("a", 2, 0)]));
        assert_eq!(names(keyed), ["a", "e"]);
    }

    #[test]
    fn an_item_stays_the_same_signal_through_a_change_and_a_reset() {
        let owner = Owner::new();
        owner.set();
        let keyed = Keyed::new();
        keyed.apply(delta(true, &[], vec![card("a", 1, 0)]));
        let item = keyed.get(&card("a", 0, 0).id).expect("put above");
        keyed.apply(delta(false, &[], vec![card("a", 1, 7)]));
        assert_eq!(item.get_untracked().posts, 7);
        keyed.apply(delta(true, &[], vec![card("a", 1, 8)]));
        assert_eq!(item.get_untracked().posts, 8);
    }
}
