//! A file of a post that is being written: what it looks like, how far it is, and what the person says of it.

use chanterelle_core::base::Limits;
use leptos::prelude::*;
use leptos::{ev, html};

use super::{Attachments, Entry, list};
use crate::features::media::{middle_cut, plain_name};
use crate::i18n as t;
use crate::kit::{alert, button, live};
use crate::state::Step;

/// The file of this number, in the list of `numbers`.
pub(super) fn view(files: Attachments, numbers: Memo<Vec<u32>>, number: u32) -> AnyView {
    // Gone between two updates: then the list is drawn again anyway.
    let Some(Entry { file, said, preparing, .. }) = files.entry(number) else { return ().into_any() };
    let (step, keep) = (preparing.step, files.keep.get_untracked());
    let name = plain_name(Some(&said.name), &file.type_());
    let is_first = Memo::new(move |_| numbers.with(|numbers| numbers.first() == Some(&number)));
    let picture = Memo::new(move |_| {
        step.with(|step| if let Step::Ready(_, url, _) = step { url.clone() } else { None })
    });
    let is_busy = Memo::new(move |_| step.with(|step| matches!(step, Step::Busy(_))));
    let kind = t::type_word(&file.type_(), &name);
    let preview = move || match picture.get() {
        Some(url) => html::img().attr("src", url).attr("alt", "").attr("decoding", "async").into_any(),
        None => html::span().class("square-kind").child(kind.clone()).into_any(),
    };
    let size = file.size() as u64;
    let facts = move || {
        let size = step.with(|step| if let Step::Ready(file, ..) = step { file.blob.size } else { size });
        t::size(size)
    };
    let remove = html::button()
        .r#type("button")
        .class("small")
        .aria_label({
            let name = name.clone();
            live(move || t::of_file(if is_busy.get() { t::CANCEL_FILE } else { t::REMOVE_FILE }, &name))
        })
        .on(ev::click, move |_| files.remove(number))
        .child(live(move || if is_busy.get() { t::CANCEL_FILE } else { t::REMOVE_FILE }));
    html::li()
        .class("attached-file")
        .child((
            html::div().class("attached-picture").attr("aria-hidden", "true").child(live(preview)),
            html::div().class("attached-about").child((
                html::p().class("attached-name").child((
                    html::bdi().attr("title", name.clone()).child(middle_cut(&name, 40)),
                    html::span().class("quiet").child((" ", live(facts))),
                )),
                html::div().class("attached-progress").child(live(move || progress(&step.get(), keep))),
                html::label().class("attached-alt").child((
                    html::span().class("quiet").child(t::ALT),
                    html::input()
                        .r#type("text")
                        .attr("maxlength", Limits::default().alt_chars.to_string())
                        .attr("value", said.alt)
                        .on(ev::input, move |event| {
                            files.say(number, |said| said.alt = event_target_value(&event));
                        }),
                )),
                html::div().class("attached-foot").child((
                    html::label().class("check").child((
                        html::input().r#type("checkbox").prop("checked", said.spoiler).on(
                            ev::change,
                            move |event| {
                                files.say(number, |said| said.spoiler = event_target_checked(&event));
                            },
                        ),
                        html::span().child(t::SPOILER_FILE),
                    )),
                    live(move || {
                        (!is_first.get()).then(|| button("plain", t::MOVE_UP, move || files.move_up(number)))
                    }),
                    remove,
                )),
            )),
        ))
        .into_any()
}

/// How far it is, and once it is ready, what the person may not expect of it. `keep` is whether its encoding was to be kept.
fn progress(step: &Step, keep: bool) -> Option<AnyView> {
    match step {
        Step::Busy(done) => {
            let bar = html::progress().attr("max", "1000").aria_label(t::PREPARING);
            Some(bar.attr("value", done.map(|done| done.to_string())).into_any())
        }
        Step::Failed(why) => Some(alert(t::not_prepared(why))),
        Step::Ready(_, _, made) => {
            list::note(*made, keep).map(|note| html::p().class("quiet").child(note).into_any())
        }
        Step::Cancelled => None,
    }
}
