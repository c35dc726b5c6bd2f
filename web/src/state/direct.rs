//! Whether the person wants direct connections, and which servers help with them. Remembered in this browser alone; one
//! choice for all its tabs.

use leptos::ev;
use leptos::prelude::*;

use super::Client;
use crate::link::{OWN_SERVERS, Server, use_servers};

const CHOICE: &str = "chanterelle.direct";
const SERVERS: &str = "chanterelle.ice-servers";

/// The person's choice. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Direct {
    /// `None` until the person has answered: then nothing is connected directly.
    pub choice: RwSignal<Option<bool>>,
    /// The servers the person has set, a line each as they were typed.
    pub servers: RwSignal<String>,
    /// Whether the person has begun something that needs one.
    pub wanted: RwSignal<bool>,
    /// Whether the browser has direct connections at all.
    pub can_be: bool,
}

/// Why servers cannot be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WrongServers {
    /// The first line that is no server.
    Line(String),
    /// There may be so many.
    TooMany(usize),
}

impl Direct {
    /// Takes up what was remembered, and follows what is chosen in other tabs.
    pub(crate) fn start(client: Client) -> Self {
        let direct = Self {
            choice: RwSignal::new(remembered_choice()),
            servers: RwSignal::new(remembered(SERVERS).unwrap_or_default()),
            wanted: RwSignal::new(false),
            can_be: js_sys::Reflect::has(&window(), &"RTCPeerConnection".into()).unwrap_or(false),
        };
        Effect::new(move |_| client.allow_direct(direct.can_be && direct.choice.get() == Some(true)));
        Effect::new(move |_| {
            let servers = direct.servers.with(|text| text.lines().filter_map(Server::read).collect());
            use_servers(servers);
        });
        // For as long as the page. Told of other tabs alone.
        std::mem::forget(window_event_listener(ev::storage, move |_| {
            direct.choice.set(remembered_choice());
            direct.servers.set(remembered(SERVERS).unwrap_or_default());
        }));
        direct
    }

    /// The choice of the page a component is in.
    pub(crate) fn here() -> Self {
        expect_context()
    }

    /// The person has chosen. Whether that could be remembered.
    pub(crate) fn choose(self, direct: bool) -> bool {
        self.choice.set(Some(direct));
        remember(CHOICE, if direct { "yes" } else { "no" })
    }

    /// The person has set servers, a line each. Whether that could be remembered.
    ///
    /// # Errors
    /// What is wrong with them; then nothing is changed.
    pub(crate) fn set_servers(self, text: &str) -> Result<bool, WrongServers> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if let Some(wrong) = lines.iter().find(|line| Server::read(line).is_none()) {
            return Err(WrongServers::Line((*wrong).to_owned()));
        }
        if lines.len() > OWN_SERVERS {
            return Err(WrongServers::TooMany(OWN_SERVERS));
        }
        self.servers.set(lines.join("\n"));
        Ok(remember(SERVERS, &lines.join("\n")))
    }
}

fn remembered_choice() -> Option<bool> {
    match remembered(CHOICE)?.as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn remembered(item: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(item).ok()?
}

fn remember(item: &str, value: &str) -> bool {
    let storage = window().local_storage().ok().flatten();
    storage.is_some_and(|storage| storage.set_item(item, value).is_ok())
}
