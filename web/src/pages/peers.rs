//! `/peers`: whom this tab is connected to.

use leptos::html;
use leptos::prelude::*;

use crate::features::network::peer_list;
use crate::i18n as t;
use crate::kit::{heading, live};
use crate::state::{Client, not_ready, ready_when};

/// The sessions of this moment.
pub(crate) fn peers() -> AnyView {
    not_ready();
    ready_when(|| true);
    let sessions = Client::here().sessions;
    let nobody = Memo::new(move |_| sessions.with(Vec::is_empty));
    let empty = move || nobody.get().then(|| html::p().class("empty").child(t::NO_PEERS).into_any());
    html::div()
        .class("page")
        .child((heading(t::PEERS), html::p().class("lead").child(t::PEERS_ABOUT), peer_list(), live(empty)))
        .into_any()
}
