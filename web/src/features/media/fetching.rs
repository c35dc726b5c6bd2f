//! How a blob comes: looked for, on its way, failed. Nothing while it is neither wanted nor missing.

use chanterelle_core::event::BlobRef;
use leptos::html;
use leptos::prelude::*;

use super::shown::Shown;
use crate::i18n as t;
use crate::kit::{alert, button, live, waiting};
use crate::state::{Blob, BlobState, Lost, Urgency};

#[derive(Clone, PartialEq)]
enum Phase {
    Nothing,
    Looking,
    Coming,
    Failed(Lost),
}

/// How a blob of a file comes, of this urgency. `stop` ends that.
pub(super) fn fetching(
    shown: Shown,
    wanted: (BlobRef, Blob),
    urgency: Urgency,
    stop: impl Fn() + Send + Clone + 'static,
) -> AnyView {
    boxed(shown, wanted, urgency, {
        Box::new(move || {
            let stop = stop.clone();
            button("small", t::STOP, move || {
                stop();
                shown.go_on();
            })
        })
    })
}

type Button = Box<dyn Fn() -> AnyView + Send>;

/// Not generic: one copy of the program serves all places.
fn boxed(shown: Shown, (wanted, blob): (BlobRef, Blob), urgency: Urgency, stop: Button) -> AnyView {
    let size = wanted.size;
    let phase = Memo::new(move |_| {
        blob.state.with(|state| match state {
            BlobState::Looking => Phase::Looking,
            BlobState::Coming(_) => Phase::Coming,
            BlobState::Failed(why) => Phase::Failed(why.clone()),
            BlobState::Absent | BlobState::Here(_) | BlobState::Unshown(_) | BlobState::Blocked => {
                Phase::Nothing
            }
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
            // What is too much of a stranger's comes if the person keeps it.
            let keeps = why == Lost::NoShare;
            let wanted = wanted.clone();
            let again = move || {
                if keeps {
                    shown.media.pin(wanted.id, true, shown.class.get_untracked());
                }
                shown.media.want(&wanted, shown.class.get_untracked(), urgency);
                shown.go_on();
            };
            let again = button("small", if keeps { t::PIN } else { t::TRY_AGAIN }, again);
            Some(html::div().class("fetching").child((alert(t::lost(&why)), again)).into_any())
        }
    });
    view.into_any()
}
