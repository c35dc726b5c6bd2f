//! `/peers`: whom this tab is connected to, and how to connect to somebody by hand.

use leptos::html;
use leptos::prelude::*;

use crate::features::by_hand::by_hand;
use crate::features::peers::{connect_by_hand, neighbourhood, peer_list};
use crate::i18n as t;
use crate::kit::{heading, live};
use crate::state::{Client, not_ready, ready_when};

/// The sessions of this moment.
pub(crate) fn peers() -> AnyView {
    not_ready();
    ready_when(|| true);
    let network = Client::here().network;
    let nobody = Memo::new(move |_| network.with(|status| status.lines.is_empty()));
    let empty = move || nobody.get().then(|| html::p().class("empty").child(t::NO_PEERS).into_any());
    let picture = move || (!nobody.get()).then(neighbourhood);
    html::div()
        .class("page")
        .child((
            heading(t::PEERS),
            html::p().class("lead").child(t::PEERS_ABOUT),
            live(picture),
            peer_list(),
            live(empty),
            connect_by_hand(),
            by_hand(),
        ))
        .into_any()
}
