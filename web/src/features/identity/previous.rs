//! The identity that was here before another was restored, and the way back to it.

use leptos::prelude::*;
use leptos::{ev, html};

use super::Standing;
use crate::i18n as t;
use crate::kit::Work;
use crate::link::Ask;
use crate::state::Client;

/// Offers the way back.
pub(crate) fn previous(standing: Standing) -> AnyView {
    let client = Client::here();
    let work = Work::new();
    let swap = move |_| {
        work.begin(t::SWAPPING, async move {
            client.ask(Ask::Swap).await.map_err(|error| t::secret(&error))?;
            standing.again(client);
            Ok(t::SWAPPED)
        });
    };
    html::div()
        .class("field")
        .child((
            html::p().child(t::PREVIOUS_ABOUT),
            html::div()
                .class("form-foot")
                .child(html::button().r#type("button").on(ev::click, swap).child(t::SWAP)),
            work.view(),
        ))
        .into_any()
}
