//! The files of a post that is being written: chosen, dropped, pasted or taken with the camera, made ready, described.
//!
//! A post waits for its files. What was added while a post was on its way is part of the next one, and stays.

mod entry;
mod given;
mod list;

use chanterelle_core::event::Attachment;
use leptos::prelude::*;
use leptos::{ev, html};
use send_wrapper::SendWrapper;
use wasm_bindgen::JsCast as _;
use web_sys::{Element, File, HtmlElement, HtmlInputElement};

use self::given::Given;
use self::list::{Said, Standing};
use crate::i18n as t;
use crate::kit::{alert_if, button, go_on_in, live, waiting};
use crate::state::{Media, Preparing, Step};

/// The files. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Attachments {
    entries: RwSignal<Vec<Entry>>,
    next: StoredValue<u32>,
    /// What makes them ready, once they are on the page.
    media: StoredValue<Option<Media>>,
    /// Whether they keep the encoding they have.
    keep: RwSignal<bool>,
    wrong: RwSignal<Option<String>>,
    place: NodeRef<html::Div>,
    waiting: RwSignal<bool>,
    then: StoredValue<Option<Then>, LocalStorage>,
}

/// What is done with the files once they are ready.
type Then = Box<dyn FnOnce(Taken)>;

/// The files that a post on its way has.
pub(crate) struct Taken {
    entries: Vec<(u32, Preparing)>,
    files: Vec<Attachment>,
    media: Option<Media>,
}

#[derive(Clone)]
struct Entry {
    number: u32,
    file: SendWrapper<File>,
    said: Said,
    preparing: Preparing,
    /// Whether a post on its way has it.
    taken: bool,
}

impl Taken {
    /// What the post carries.
    pub(crate) fn files(&self) -> Vec<Attachment> {
        self.files.clone()
    }
}

impl Attachments {
    /// None yet.
    pub(crate) fn new() -> Self {
        let files = Self {
            entries: RwSignal::new(Vec::new()),
            next: StoredValue::new(0),
            media: StoredValue::new(None),
            keep: RwSignal::new(false),
            wrong: RwSignal::new(None),
            place: NodeRef::new(),
            waiting: RwSignal::new(false),
            then: StoredValue::new_local(None),
        };
        on_cleanup(move || {
            let entries = files.entries.try_get_untracked().unwrap_or_default();
            entries.iter().filter(|entry| !entry.taken).for_each(|entry| entry.preparing.cancel());
        });
        files
    }

    /// Has `then` called with the files once all of them are ready: now, or when the last one is. Until then the view says
    /// that it waits.
    pub(crate) fn when_ready(self, then: impl FnOnce(Taken) + 'static) {
        self.wrong.set(None);
        self.then.set_value(Some(Box::new(then)));
        self.waiting.set(true);
        self.go_on();
    }

    /// Nothing waits for the files any more.
    pub(crate) fn stop_waiting(self) {
        self.waiting.set(false);
    }

    /// Takes out what was published, or takes it back. To be called also when the form is gone by then.
    pub(crate) fn settle(self, taken: &Taken, published: bool) {
        if let Some(media) = taken.media.filter(|_| published) {
            media.posted(&taken.files);
        }
        let is_of_it = |entry: &Entry| taken.entries.iter().any(|(number, _)| *number == entry.number);
        let stays = self.entries.try_update(|entries| {
            let stays: Vec<u32> =
                entries.iter().filter(|entry| is_of_it(entry)).map(|entry| entry.number).collect();
            if published {
                entries.retain(|entry| !is_of_it(entry));
            } else {
                entries.iter_mut().filter(|entry| is_of_it(entry)).for_each(|entry| entry.taken = false);
            }
            stays
        });
        for (number, preparing) in &taken.entries {
            if published {
                preparing.posted();
            } else if stays.as_ref().is_none_or(|stays| !stays.contains(number)) {
                // It was taken out of the list, or the form is gone.
                preparing.cancel();
            }
        }
    }

    /// To be called for everything dragged over the form, so that it can be dropped there.
    pub(crate) fn on_drag(self, event: &ev::DragEvent) {
        if given::carries_files(event) {
            event.prevent_default();
        }
    }

    /// To be called for everything dropped on the form.
    pub(crate) fn on_drop(self, event: &ev::DragEvent) {
        if given::carries_files(event) {
            event.prevent_default();
            self.add(given::dropped(event));
        }
    }

    /// To be called for everything pasted into the form.
    pub(crate) fn on_paste(self, event: &ev::ClipboardEvent) {
        let given = given::pasted(event);
        if !given.is_empty() {
            event.prevent_default();
            self.add(given);
        }
    }

    /// The buttons, the list, and what there is to say about it.
    pub(crate) fn view(self) -> AnyView {
        let numbers = Memo::new(move |_| self.entries.with(|entries| numbers(entries)));
        let some = Memo::new(move |_| numbers.with(|numbers| !numbers.is_empty()));
        let settled = Memo::new(move |_| self.waiting.get() && !matches!(self.standing(), Standing::Busy));
        Effect::watch(
            move || settled.get(),
            move |&settled, _, _| {
                if settled {
                    self.go_on();
                }
            },
            false,
        );
        // A file dropped beside the form would take the place of the page, and what is written be lost.
        let drag = window_event_listener(ev::dragover, move |event| self.on_drag(&event));
        let drop = window_event_listener(ev::drop, move |event| self.on_drag(&event));
        on_cleanup(move || {
            drag.remove();
            drop.remove();
        });
        self.media.set_value(Some(Media::here()));
        let entries = For(ForProps::builder()
            .each(move || numbers.get())
            .key(|number| *number)
            .children(move |number| entry::view(self, numbers, number))
            .build());
        let keep = move || some.get().then(|| self.keep_switch());
        let waits = move || {
            self.waiting.get().then(|| {
                let stop = move || {
                    self.stop_waiting();
                    self.go_on_at("[type=\"submit\"]".to_owned());
                };
                let content = (waiting(t::WAITING_FOR_FILES), button("small", t::STOP_WAITING, stop));
                html::div().role("status").class("attach-waits").child(content).into_any()
            })
        };
        html::div()
            .class("attach")
            .node_ref(self.place)
            .on(ev::keydown, |event| {
                // It would send the post, which is not what a description or a choice is ended by.
                let target: Element = event_target(&event);
                let is_said = target.matches("[type=\"text\"], [type=\"checkbox\"]").unwrap_or(false);
                if is_said && event.key() == "Enter" && !event.is_composing() {
                    event.prevent_default();
                }
            })
            .child((
                html::ul().class("attached").role("list").aria_label(t::ATTACHED).child(entries.into_any()),
                html::div().class("attach-row").child((
                    self.input("attach-files", t::ATTACH, false),
                    self.input("attach-camera", t::TAKE_PICTURE, true),
                    html::span().class("quiet attach-hint").child(t::DROP_HERE),
                    live(keep),
                )),
                alert_if(move || self.wrong.get()),
                live(waits),
            ))
            .into_any()
    }

    fn input(self, class: &'static str, label: &'static str, camera: bool) -> AnyView {
        let change = move |event: ev::Event| {
            let input: HtmlInputElement = event_target(&event);
            let given = given::chosen(input.files());
            // So that the same file can be chosen again.
            input.set_value("");
            self.add(given);
        };
        html::label()
            .class(class)
            .child((
                html::span().child(label),
                html::input()
                    .r#type("file")
                    .attr("multiple", (!camera).then_some(""))
                    .attr("accept", camera.then_some("image/*"))
                    .attr("capture", camera.then_some("environment"))
                    .on(ev::change, change),
            ))
            .into_any()
    }

    fn keep_switch(self) -> AnyView {
        let change = move |event: ev::Event| {
            self.keep.set(event_target_checked(&event));
            self.prepare_again();
        };
        let switch = html::input()
            .r#type("checkbox")
            .attr("role", "switch")
            .attr("aria-describedby", "keep-about")
            .prop("checked", move || self.keep.get())
            .on(ev::change, change);
        // What is in the label is the name of the switch; the explanation is none.
        html::div()
            .class("attach-keep")
            .child((
                html::label().class("check").child((switch, html::span().child(t::KEEP_ENCODING))),
                html::span().id("keep-about").class("quiet").child(t::KEEP_ENCODING_ABOUT),
            ))
            .into_any()
    }

    /// Takes files, and says which it does not take.
    fn add(self, given: Given) {
        let Some(media) = self.media.get_value() else { return };
        let offered: Vec<_> = given.iter().map(|(_, offered)| offered.clone()).collect();
        let held = self.entries.with_untracked(|entries| entries.iter().filter(|entry| !entry.taken).count());
        let (taken, wrong) = list::admit(held, &offered);
        self.wrong.set(wrong);
        let keep = self.keep.get_untracked();
        self.entries.update(|entries| {
            for at in taken {
                let (file, offered) = &given[at];
                let said = Said { name: offered.name.clone(), ..Said::default() };
                entries.push(Entry {
                    number: self.number(),
                    file: SendWrapper::new(file.clone()),
                    said,
                    preparing: media.prepare(file.clone(), keep),
                    taken: false,
                });
            }
        });
    }

    /// Makes all of them ready anew, the other way.
    fn prepare_again(self) {
        let Some(media) = self.media.get_value() else { return };
        let keep = self.keep.get_untracked();
        self.entries.update(|entries| {
            for entry in entries.iter_mut().filter(|entry| !entry.taken) {
                entry.preparing.cancel();
                entry.preparing = media.prepare((*entry.file).clone(), keep);
                entry.number = self.number();
            }
        });
    }

    fn number(self) -> u32 {
        self.next.update_value(|next| *next += 1);
        self.next.get_value()
    }

    /// How those stand that no post has yet. Tracked.
    fn standing(self) -> Standing {
        self.entries.with(|entries| {
            let files: Vec<(Step, &Said)> = entries
                .iter()
                .filter(|entry| !entry.taken)
                .map(|entry| (entry.preparing.step.get(), &entry.said))
                .collect();
            list::standing(&files)
        })
    }

    /// Goes on with what waits for the files, unless they are still under way.
    fn go_on(self) {
        if !self.waiting.get_untracked() {
            return;
        }
        match untrack(|| self.standing()) {
            Standing::Busy => {}
            Standing::Failed => {
                self.waiting.set(false);
                self.wrong.set(Some(t::FILE_FAILED.to_owned()));
            }
            Standing::Ready(files) => {
                self.waiting.set(false);
                let mut taken = Vec::new();
                // Nothing that is shown changes by it.
                self.entries.maybe_update(|entries| {
                    for entry in entries.iter_mut().filter(|entry| !entry.taken) {
                        entry.taken = true;
                        taken.push((entry.number, entry.preparing));
                    }
                    false
                });
                if let Some(then) = self.then.try_update_value(Option::take).flatten() {
                    then(Taken { entries: taken, files, media: self.media.get_value() });
                }
            }
        }
    }

    fn entry(self, number: u32) -> Option<Entry> {
        self.entries.with_untracked(|entries| entries.iter().find(|entry| entry.number == number).cloned())
    }

    /// Changes what is said of a file. Nobody is told: the page shows it already.
    fn say(self, number: u32, say: impl FnOnce(&mut Said)) {
        self.entries.maybe_update(|entries| {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.number == number) {
                say(&mut entry.said);
            }
            false
        });
    }

    fn remove(self, number: u32) {
        // Else a post that waits for this file alone would go out without it at once.
        self.stop_waiting();
        self.wrong.set(None);
        if let Some(entry) = self.entry(number).filter(|entry| !entry.taken) {
            entry.preparing.cancel();
        }
        let at = self.position(number);
        self.entries.update(|entries| entries.retain(|entry| entry.number != number));
        self.go_on_at(format!(".attached > :nth-child({}) .attached-foot > :last-child", at + 1));
    }

    fn move_up(self, number: u32) {
        let at = self.position(number);
        if at > 0 {
            self.entries.update(|entries| entries.swap(at - 1, at));
        }
        // The first has no such button; the next one has.
        self.go_on_at(format!(".attached > :nth-child({}) .attached-foot > .plain", at.max(2)));
    }

    fn position(self, number: u32) -> usize {
        self.entries.with_untracked(|entries| {
            entries.iter().position(|entry| entry.number == number).unwrap_or_default()
        })
    }

    /// Puts the focus that what was pressed had on this in the form, or else on the field for files.
    fn go_on_at(self, next: String) {
        let place = self.place.get_untracked();
        let form = place.and_then(|place| place.closest("form").ok().flatten());
        let form = form.and_then(|form| form.dyn_into::<HtmlElement>().ok());
        go_on_in(form, vec![next, ".attach [type=\"file\"]".to_owned()]);
    }
}

fn numbers(entries: &[Entry]) -> Vec<u32> {
    entries.iter().map(|entry| entry.number).collect()
}
