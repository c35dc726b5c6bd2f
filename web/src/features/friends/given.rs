//! A friend code that somebody gave the person: who it is, where they are, and the button that connects. Nothing is
//! dialled before it is pressed.

use chanterelle_core::base::{Limits, Seconds};
use chanterelle_core::invite::{CodeError, FriendCode, code_in};
use chanterelle_core::node::Command;
use js_sys::{Date, Object, Reflect};
use leptos::prelude::*;
use leptos::{ev, html};
use leptos_router::hooks::use_navigate;

use crate::features::paths::board_path;
use crate::features::scan::scanner;
use crate::i18n as t;
use crate::kit::{alert, alert_if, heading, live, title};
use crate::link::{self, Refusal};
use crate::state::Client;

/// What the address or the person gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// Nothing.
    Nothing,
    /// A code, with the hosts it names.
    Code(Box<FriendCode>, Vec<String>),
    /// Something that is not to be used.
    Wrong(Wrong),
}

/// Why a code is not to be used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wrong {
    /// It is none, or not a good one.
    Code(CodeError),
    /// It names an address that must not be dialled.
    Address(Refusal),
}

/// Reads what was pasted, scanned or found in the address.
pub(crate) fn given(text: &str) -> Given {
    if text.trim().is_empty() {
        return Given::Nothing;
    }
    // Seconds since 1970 are positive and whole.
    let now = Seconds((Date::now() / 1_000.0) as u64);
    let code = code_in(text).and_then(|code| FriendCode::read(code, now, &Limits::default()));
    match code.map(|code| (link::hosts(&code.relays), code)) {
        Ok((Ok(hosts), code)) => Given::Code(Box::new(code), hosts),
        Ok((Err(refusal), _)) => Given::Wrong(Wrong::Address(refusal)),
        Err(error) => Given::Wrong(Wrong::Code(error)),
    }
}

/// The code in the address, which is taken out of it at once; it stays with this entry of the history, so that a reload
/// finds it. `www/index.html` does the same when the page is opened by a code, before anything else.
pub(crate) fn taken_from_address() -> Option<String> {
    let code = location().hash().ok().filter(|hash| hash.len() > 1).map(|hash| hash[1..].to_owned());
    let history = window().history().ok()?;
    let Some(code) = code else {
        let kept = history.state().ok()?;
        return Reflect::get(&kept, &KEPT.into()).ok()?.as_string();
    };
    let kept = Object::new();
    Reflect::set(&kept, &KEPT.into(), &code.as_str().into()).expect("a plain object takes any property");
    let path = location().pathname().unwrap_or_default();
    // Only a page without an address of its own could refuse.
    let _ = history.replace_state_with_url(&kept, "", Some(&path));
    Some(code)
}

const KEPT: &str = "code";

/// Shows the friend and connects when the person says so.
fn friend(code: FriendCode, hosts: Vec<String>) -> AnyView {
    let client = Client::here();
    let navigate = use_navigate();
    let follow = RwSignal::new(false);
    let name = code.name.clone().unwrap_or_else(|| t::friend_without_name(&code.author.short()));
    title({
        let name = name.clone();
        move || name.clone()
    });
    let oneself = {
        let author = code.author;
        move || client.identity.get() == Some(author)
    };
    let board = code.board.clone();
    let place = board.as_ref().map_or_else(|| "/".to_owned(), board_path);
    let author = code.author;
    let connect = move |_| {
        client.send(Command::Befriend(code.clone()));
        if let Some(board) = code.board.clone() {
            client.send(Command::Subscribe(board));
        }
        if follow.get_untracked() {
            client.follow(code.author, true);
        }
        navigate(&place, Default::default());
    };
    let connect = StoredValue::new_local(connect);
    let actions = move || {
        if oneself() {
            return alert(t::OWN_CODE);
        }
        html::div()
            .class("connect")
            .child((
                html::label().class("choice").child((
                    html::input()
                        .r#type("checkbox")
                        .on(ev::change, move |event| follow.set(event_target_checked(&event))),
                    html::span().child((
                        t::ALSO_FOLLOW,
                        " ",
                        html::span().class("quiet").child(t::FOLLOW_PUBLIC),
                    )),
                )),
                html::button()
                    .r#type("button")
                    .class("main")
                    .on(ev::click, move |event| connect.with_value(|connect| connect(event)))
                    .child(t::CONNECT),
            ))
            .into_any()
    };
    let none = hosts.is_empty().then(|| html::p().child(t::CODE_NO_HOSTS));
    let listed = (!hosts.is_empty()).then(|| {
        let hosts =
            hosts.into_iter().map(|host| html::li().child(html::code().child(host))).collect::<Vec<_>>();
        (
            html::p().id("code-hosts").child(t::CODE_HOSTS),
            html::ul().class("hosts").attr("aria-labelledby", "code-hosts").child(hosts),
        )
    });
    html::div()
        .class("friend")
        .child((
            html::h1().child(name),
            html::p().child((
                t::FRIEND_FINGERPRINT,
                html::code().class("fingerprint").child(t::grouped(&author.to_string())),
            )),
            listed,
            none,
            html::p().child(match &board {
                Some(board) => t::code_opens(board),
                None => t::CODE_OPENS_NONE.to_owned(),
            }),
            live(actions),
            html::p().class("quiet").child(t::CONNECT_ABOUT),
        ))
        .into_any()
}

/// What is shown for what was given: the friend, what is wrong, or a place to paste a code into.
pub(crate) fn friend_code(shown: RwSignal<Given>) -> AnyView {
    live(move || match shown.get() {
        Given::Code(code, hosts) => friend(*code, hosts),
        Given::Nothing => {
            let found = move |text: String| shown.set(given(&text));
            (heading(t::FRIEND_CODE), html::p().child(t::PASTE_ABOUT), paste(shown), scanner(found))
                .into_any()
        }
        Given::Wrong(wrong) => (
            heading(t::FRIEND_CODE),
            alert(wrong_code(&wrong)),
            html::p().child(t::PASTE_AGAIN),
            paste(shown),
            scanner(move |text: String| shown.set(given(&text))),
        )
            .into_any(),
    })
    .into_any()
}

fn wrong_code(wrong: &Wrong) -> String {
    match wrong {
        Wrong::Code(error) => t::sentence(&error.to_string()),
        Wrong::Address(refusal) => t::refused_address(*refusal).to_owned(),
    }
}

fn paste(shown: RwSignal<Given>) -> AnyView {
    let input = NodeRef::<html::Textarea>::new();
    let empty = RwSignal::new(false);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(input) = input.get_untracked() else { return };
        let read = given(&input.value());
        empty.set(read == Given::Nothing);
        if read != Given::Nothing {
            shown.set(read);
        }
    };
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            html::label().attr("for", "paste-code").child(t::FRIEND_CODE),
            html::textarea()
                .id("paste-code")
                .class("code-text")
                .attr("rows", "3")
                .attr("spellcheck", "false")
                .attr("autocapitalize", "none")
                .node_ref(input),
            alert_if(move || empty.get().then(|| t::PASTE_EMPTY.to_owned())),
            html::div()
                .class("form-foot")
                .child(html::button().r#type("submit").class("main").child(t::OPEN_CODE)),
        ))
        .into_any()
}
