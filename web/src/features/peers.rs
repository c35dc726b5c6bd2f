//! Whom the tab is connected to, how, and since when: a picture, a list, and how to connect by hand.

use std::f64::consts::TAU;
use std::time::Duration;

use chanterelle_core::base::Seconds;
use chanterelle_core::node::SessionInfo;
use chanterelle_core::wire::Role;
use futures_timer::Delay;
use leptos::prelude::*;
use leptos::{ev, html, svg};

use super::network::network_id;
use crate::i18n as t;
use crate::kit::{ago, alert_if, live};
use crate::link::{Expected, Line, NotDialled, Refusal};
use crate::state::{Client, Direct};

/// How long a connection may take to come about: longer than an attempt that succeeds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a session is at this moment, by the network and by the node.
fn sessions() -> Vec<(Line, Option<SessionInfo>)> {
    let client = Client::here();
    let of = |line: &Line| {
        client.sessions.with(|sessions| sessions.iter().find(|session| session.peer == line.peer).cloned())
    };
    client.network.with(|status| status.lines.iter().map(|line| (line.clone(), of(line))).collect())
}

/// The list "Peers".
pub(crate) fn peer_list() -> AnyView {
    let items = live(move || sessions().iter().map(peer).collect::<Vec<_>>().into_any());
    html::ul().class("peers").role("list").aria_label(t::PEERS).child(items).into_any()
}

fn peer((line, session): &(Line, Option<SessionInfo>)) -> AnyView {
    let state = match session {
        Some(session) if session.swallows => t::SWALLOWS,
        None | Some(SessionInfo { role: None, .. }) => t::GREETING,
        Some(SessionInfo { syncing: true, .. }) => t::SYNCING,
        Some(_) => t::IN_SYNC,
    };
    let kind = if line.host.is_some() { "websocket" } else { "webrtc" };
    // Milliseconds since 1970 are positive.
    let since = Seconds((line.since / 1_000.0) as u64);
    let figures = [Some(t::traffic(line.bytes)), line.round_trip.map(t::round_trip)];
    let figures: Vec<String> = figures.into_iter().flatten().collect();
    html::li()
        .attr("data-kind", kind)
        .child((
            html::span().class("peer-role").child(if is_relay(line, session.as_ref()) {
                t::RELAY
            } else {
                t::TAB
            }),
            html::span().child(line.host.clone().unwrap_or_else(|| t::DIRECTLY.to_owned())),
            html::span().class("quiet").child(state),
            html::code().class("peer-id").child(network_id(&line.peer)),
            html::span().class("quiet").child(ago(since)),
            html::span().class("quiet figures").child(figures.join(" · ")),
        ))
        .into_any()
}

/// As it says; until it has said anything, as it was connected.
fn is_relay(line: &Line, session: Option<&SessionInfo>) -> bool {
    let role = session.and_then(|session| session.role);
    role.map_or(line.host.is_some(), |role| role == Role::Relay)
}

/// A small picture of the neighbourhood: this tab in the middle, relays square, tabs round.
pub(crate) fn neighbourhood() -> AnyView {
    let network = Client::here().network;
    let label = live(move || network.with(|status| t::neighbourhood(status.direct, status.relays)));
    let drawn = live(move || {
        let sessions = sessions();
        let count = sessions.len() as f64;
        let placed = sessions.iter().zip(0..).map(|(session, at)| {
            // The first at the top, the others around the clock.
            let (sin, cos) = (f64::from(at) / count * TAU).sin_cos();
            (session, 160.0 + 130.0 * sin, 80.0 - 56.0 * cos)
        });
        placed.map(|(session, x, y)| neighbour(session, x, y)).collect::<Vec<_>>().into_any()
    });
    let own = svg::circle().attr("cx", "160").attr("cy", "80").attr("r", "11").attr("class", "own");
    svg::svg()
        .attr("class", "neighbourhood")
        .attr("viewBox", "0 0 320 160")
        .attr("role", "img")
        .attr("aria-label", label)
        .child((drawn, own))
        .into_any()
}

fn neighbour((line, session): &(Line, Option<SessionInfo>), x: f64, y: f64) -> AnyView {
    let at = |value: f64| format!("{value:.1}");
    let link = svg::line()
        .attr("x1", "160")
        .attr("y1", "80")
        .attr("x2", at(x))
        .attr("y2", at(y))
        .attr("class", if line.host.is_some() { "socket" } else { "direct" });
    let node = if is_relay(line, session.as_ref()) {
        let square = svg::rect().attr("x", at(x - 8.0)).attr("y", at(y - 8.0));
        square.attr("width", "16").attr("height", "16").attr("rx", "3").attr("class", "relay").into_any()
    } else {
        svg::circle().attr("cx", at(x)).attr("cy", at(y)).attr("r", "8").attr("class", "tab").into_any()
    };
    let name = line.host.clone().unwrap_or_else(|| network_id(&line.peer));
    svg::g().child((svg::title().child(name), link, node)).into_any()
}

/// Connects to an address by hand, and shows the own.
pub(crate) fn connect_by_hand() -> AnyView {
    html::div().class("prose page").child((given_address(), own_address())).into_any()
}

/// What became of an address.
#[derive(Clone, Debug, PartialEq)]
enum Dialled {
    No,
    Waiting(Expected),
    Met,
    Failed(String),
}

fn given_address() -> AnyView {
    let (client, direct) = (Client::here(), Direct::here());
    let input = NodeRef::<html::Input>::new();
    let dialled = RwSignal::new(Dialled::No);
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let Some(input) = input.get_untracked() else { return };
        let is_tab = input.value().contains("/webrtc/");
        let refusal = match direct.choice.get_untracked() {
            _ if !is_tab => None,
            _ if !direct.can_be => Some(t::DIRECT_CANNOT),
            Some(true) => None,
            Some(false) => Some(t::NOT_DIALLED_PRIVATE),
            None => {
                direct.wanted.set(true);
                Some(t::NOT_DIALLED_UNASKED)
            }
        };
        if let Some(why) = refusal {
            return dialled.set(Dialled::Failed(why.to_owned()));
        }
        match client.connect(&input.value()) {
            Ok(expected) => {
                dialled.set(Dialled::Waiting(expected.clone()));
                leptos::task::spawn_local(async move {
                    Delay::new(PATIENCE).await;
                    // Another was dialled meanwhile, or the page was left.
                    if dialled.try_get_untracked() == Some(Dialled::Waiting(expected)) {
                        dialled.set(Dialled::Failed(t::NOT_DIALLED.to_owned()));
                    }
                });
            }
            Err(error) => dialled.set(Dialled::Failed(reason(&error))),
        }
    };
    Effect::new(move |_| {
        if let Dialled::Waiting(expected) = dialled.get()
            && client.network.with(|status| expected.is_met(status))
        {
            dialled.set(Dialled::Met);
        }
    });
    let said = move || {
        dialled.with(|dialled| match dialled {
            Dialled::Waiting(_) => t::DIALLING,
            Dialled::Met => t::DIALLED,
            Dialled::No | Dialled::Failed(_) => "",
        })
    };
    let failed = move || {
        dialled.with(|dialled| match dialled {
            Dialled::Failed(why) => Some(why.clone()),
            _ => None,
        })
    };
    html::form()
        .class("field")
        .on(ev::submit, submit)
        .child((
            html::label().attr("for", "peer-address").child(t::PEER_ADDRESS),
            html::div().class("joined").child((
                html::input()
                    .id("peer-address")
                    .r#type("text")
                    .attr("spellcheck", "false")
                    .attr("autocapitalize", "off")
                    .attr("aria-describedby", "peer-address-about")
                    .node_ref(input),
                html::button().r#type("submit").child(t::CONNECT),
            )),
            html::p().id("peer-address-about").class("quiet").child(t::PEER_ADDRESS_ABOUT),
            html::span().role("status").class("quiet").child(live(said)),
            alert_if(failed),
        ))
        .into_any()
}

/// Why nobody is dialled, and what to do.
pub(super) fn reason(error: &NotDialled) -> String {
    let words = match error {
        NotDialled::OtherTab => t::NOT_DIALLED_HERE,
        NotDialled::Refused(Refusal::Form) => t::ADDRESS_FORM,
        NotDialled::Refused(Refusal::Private) => t::ADDRESS_PRIVATE,
        NotDialled::Refused(Refusal::Plain) => t::ADDRESS_PLAIN,
        NotDialled::Code(error) => return t::sentence(&error.to_string()),
    };
    words.to_owned()
}

fn own_address() -> AnyView {
    let network = Client::here().network;
    let own = Memo::new(move |_| network.with(|status| status.own.clone()));
    let shown = move || {
        own.get().map(|address| {
            let field = html::div().class("field").child((
                html::label().attr("for", "own-address").child(t::OWN_ADDRESS),
                html::textarea()
                    .id("own-address")
                    .class("code-text")
                    .attr("rows", "3")
                    .attr("readonly", "")
                    .attr("spellcheck", "false")
                    .prop("value", address),
                html::p().class("quiet").child(t::OWN_ADDRESS_ABOUT),
            ));
            field.into_any()
        })
    };
    live(shown).into_any()
}
