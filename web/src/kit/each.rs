//! A list that draws each item once and moves it when the order changes.

use std::hash::Hash;

use leptos::prelude::*;

use crate::state::{Item, Keyed};

/// Draws the items in their order. `view` is called once for each.
pub(crate) fn each<V: Item>(items: Keyed<V>, view: fn(RwSignal<V>) -> AnyView) -> AnyView
where
    V::Key: Hash,
{
    let order = items.order();
    let child = move |key: V::Key| {
        // Gone between two updates: then the list is drawn again anyway.
        items.get(&key).map_or_else(|| ().into_any(), |item| view(item.into()))
    };
    For(ForProps::builder().each(move || order.get()).key(|key| *key).children(child).build()).into_any()
}
