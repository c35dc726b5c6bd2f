//! How a blob comes: looked for, on its way, failed. Nothing while it is neither wanted nor missing.

use leptos::html;
use leptos::prelude::*;

use crate::i18n as t;
use crate::kit::{alert, button, live, waiting};
use crate::state::{Blob, BlobState, Lost};

#[derive(Clone, PartialEq)]
enum Phase {
    Nothing,
    Looking,
    Coming,
    Failed(Lost),
}

/// How a blob of so many bytes comes. `stop` ends that, `again` begins anew.
pub(super) fn fetching(
    blob: Blob,
    size: u64,
    stop: impl Fn() + Send + Clone + 'static,
    again: impl Fn() + Send + Clone + 'static,
) -> AnyView {
    boxed(blob, size, Box::new(move || button("small", t::STOP, stop.clone())), {
        Box::new(move || button("small", t::TRY_AGAIN, again.clone()))
    })
}

type Button = Box<dyn Fn() -> AnyView + Send>;

/// Not generic: one copy of the program serves all places.
fn boxed(blob: Blob, size: u64, stop: Button, again: Button) -> AnyView {
    let phase = Memo::new(move |_| {
        blob.state.with(|state| match state {
            BlobState::Looking => Phase::Looking,
            BlobState::Coming(_) => Phase::Coming,
            BlobState::Failed(why) => Phase::Failed(why.clone()),
            BlobState::Absent | BlobState::Here(_) | BlobState::Blocked => Phase::Nothing,
        })
    });
    let here = move || blob.state.with(|state| if let BlobState::Coming(here) = state { *here } else { 0 });
    let view = live(move || match phase.get() {
        Phase::Nothing => None,
        Phase::Looking => {
            let content = (html::div().role("status").child(waiting(t::LOOKING_HOLDERS)), stop());
            Some(html::div().class("fetching").child(content).into_any())
        }
        Phase::Coming => {
            // Less than half a second is not worth a word; see kit.css.
            let bar = html::progress()
                .attr("max", size.to_string())
                .attr("value", live(move || here().to_string()))
                .aria_label(t::DOWNLOAD);
            let text = html::span().class("quiet").child(live(move || t::coming(here(), size)));
            Some(html::div().class("fetching").child((bar, text, stop())).into_any())
        }
        Phase::Failed(why) => {
            Some(html::div().class("fetching").child((alert(t::lost(&why)), again())).into_any())
        }
    });
    view.into_any()
}
