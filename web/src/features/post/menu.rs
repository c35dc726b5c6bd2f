//! What can be done with a post beside quoting it: copying its address, and editing and deleting one's own.
//!
//! The menu is a popover of the browser, which closes it on Escape and on a click elsewhere, and is drawn only while it
//! is open.

use chanterelle_core::event::Content;
use chanterelle_core::view::PostView;
use leptos::prelude::*;
use leptos::{ev, html};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, ToggleEvent};

use crate::features::thread::Here;
use crate::i18n as t;
use crate::kit::{alert_if, focus_in_place, live};
use crate::state::Client;

/// The button "More" and its menu. Edit sets `editing`.
pub(super) fn menu(post: RwSignal<PostView>, editing: RwSignal<bool>) -> AnyView {
    let open = RwSignal::new(false);
    let button = html::button()
        .r#type("button")
        .class("plain more")
        .aria_label(t::MORE)
        .attr("aria-expanded", live(move || if open.get() { "true" } else { "false" }))
        .on(ev::click, move |_| open.set(true))
        .child("⋯");
    html::span()
        .class("menu-anchor")
        .child((button, live(move || open.get().then(|| items(post, editing, open)))))
        .into_any()
}

fn items(post: RwSignal<PostView>, editing: RwSignal<bool>, open: RwSignal<bool>) -> AnyView {
    let (client, here) = (Client::here(), Here::get());
    let popover = NodeRef::<html::Div>::new();
    Effect::new(move |_| {
        if let Some(popover) = popover.get() {
            request_animation_frame(move || {
                let _ = popover.show_popover();
                focus_first(&popover);
            });
        }
    });
    let asking = RwSignal::new(false);
    let said = RwSignal::new(None::<&'static str>);
    let failed = RwSignal::new(None::<String>);
    let changeable = Memo::new(move |_| post.with(|post| post.own && !post.deleted));
    // The answer to a deletion may come when the menu is gone.
    let drawn = move || popover.try_get_untracked().flatten();
    let close = move || {
        if let Some(popover) = drawn() {
            let _ = popover.hide_popover();
        }
    };
    let ask = move |_| {
        asking.set(true);
        request_animation_frame(move || {
            if let Some(popover) = drawn() {
                focus_first(&popover);
            }
        });
    };
    let start_editing = move |_| {
        close();
        editing.set(true);
    };
    let delete = move |_| {
        let target = post.with_untracked(|post| post.id);
        client.publish(Content::Delete { target }, move |answer| match answer {
            Ok(_) => close(),
            Err(error) => {
                failed.try_set(Some(t::not_published(&error)));
            }
        });
    };
    let actions = live(move || {
        if asking.get() {
            let keep = move |_| asking.set(false);
            return html::div()
                .class("ask")
                .child((
                    html::p().child(t::DELETE_ASK),
                    item(t::KEEP, "menu-item", keep),
                    item(t::DELETE, "menu-item danger", delete),
                ))
                .into_any();
        }
        let own = changeable
            .get()
            .then(|| (item(t::EDIT, "menu-item", start_editing), item(t::DELETE, "menu-item danger", ask)));
        (
            item(t::COPY_LINK, "menu-item", move |_| {
                copy_link(here.post_path(&post.with_untracked(|post| post.id)), said);
            }),
            own,
        )
            .into_any()
    });
    let on_toggle = move |event: ev::Event| {
        if event.unchecked_ref::<ToggleEvent>().new_state() == "closed" {
            open.set(false);
        }
    };
    html::div()
        .class("menu")
        .attr("popover", "auto")
        .node_ref(popover)
        .on(ev::toggle, on_toggle)
        .child((
            actions,
            html::p().class("quiet").attr("role", "status").child(live(move || said.get())),
            alert_if(move || failed.get()),
        ))
        .into_any()
}

fn focus_first(popover: &HtmlElement) {
    let button = popover.query_selector("button").ok().flatten();
    if let Some(button) = button.and_then(|button| button.dyn_into::<HtmlElement>().ok()) {
        focus_in_place(&button);
    }
}

fn item(text: &'static str, class: &'static str, act: impl FnMut(ev::MouseEvent) + 'static) -> AnyView {
    html::button().r#type("button").class(class).on(ev::click, act).child(text).into_any()
}

fn copy_link(path: String, said: RwSignal<Option<&'static str>>) {
    let address = location().origin().unwrap_or_default() + &path;
    leptos::task::spawn_local(async move {
        // Absent where the page did not come over a secure connection.
        let clipboard = js_sys::Reflect::get(&window().navigator(), &"clipboard".into()).ok();
        let clipboard = clipboard.and_then(|clipboard| clipboard.dyn_into::<web_sys::Clipboard>().ok());
        let copied = match clipboard {
            Some(clipboard) => {
                wasm_bindgen_futures::JsFuture::from(clipboard.write_text(&address)).await.is_ok()
            }
            None => false,
        };
        said.try_set(Some(if copied { t::COPIED } else { t::NOT_COPIED }));
    });
}
