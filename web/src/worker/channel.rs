//! How the workers of one profile's tabs speak to each other: broadcast channels (HTML, section 9.6), on which every
//! worker of the same build hears what another says.
//!
//! | channel | who listens | what is said |
//! |---|---|---|
//! | of the build | every tab of that build | [`Between`] |
//! | of a tab | that tab | [`ToTab`] |
//! | of all builds | every tab | [`Builds`], whose form never changes |

use chanterelle_core::node::Command;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use web_sys::{BroadcastChannel, MessageEvent};

use super::messages::{Ask, TabId, ToPage, decode, encode};
use crate::storage::Lock;

/// What tabs of one build say to each other.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Between {
    /// This tab wants to be served by whoever leads.
    Hello(TabId),
    /// A worker has the lock and is opening the storage. Said again and again until that is done.
    Opens,
    /// This tab's worker has the lock and waits for the passphrase.
    Locked(TabId, Lock),
    /// A worker has begun to lead.
    Leads,
    /// For every page but the leader's own.
    All(Vec<ToPage>),
}

/// What is said to one tab. A reign is a number that every leader draws anew: what was meant for another is not done.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum ToTab {
    /// By the leader: from now on this tab is served, in this reign.
    Welcome(TabId, u64),
    /// By the leader, for the page.
    Page(Vec<ToPage>),
    /// By the leader: the commands up to this number were taken.
    Taken(u64),
    /// To the leader.
    Commands {
        /// By whom.
        from: TabId,
        /// Of whom it is served.
        reign: u64,
        /// The number of the last of those commands that nothing answers.
        last: u64,
        /// What the page wants of the node.
        commands: Vec<Command>,
    },
    /// To the leader, or to who waits for the passphrase.
    Ask {
        /// By whom.
        from: TabId,
        /// Of whom it is served; none by who waits for the passphrase.
        reign: Option<u64>,
        /// The page's number for it.
        number: u32,
        /// What it asks about the secret.
        ask: Ask,
    },
}

/// What tabs of different builds say to each other. Texts, so that any build can read them.
#[derive(Debug, PartialEq)]
pub(super) struct Builds {
    /// The build of the tab that wants to lead.
    pub(super) wants_to_lead: String,
}

/// The name of the channel of all builds. Must never change.
const ALL_BUILDS: &str = "chanterelle builds";

/// A channel, closed when dropped.
pub(super) struct Channel {
    channel: BroadcastChannel,
    _listener: Option<Closure<dyn Fn(MessageEvent)>>,
}

impl Channel {
    /// Joins the channel of this build. What is not understood is not from this build and not listened to.
    pub(super) fn of_build(build: &str, on: impl Fn(Between) + 'static) -> Channel {
        Self::listening(&format!("chanterelle {build}"), on)
    }

    /// Listens to what is said to one tab.
    pub(super) fn of_own_tab(tab: TabId, on: impl Fn(ToTab) + 'static) -> Channel {
        Self::listening(&name_of(tab), on)
    }

    /// Joins the channel of a tab, to speak to it.
    pub(super) fn to_tab(tab: TabId) -> Channel {
        Channel { channel: open(&name_of(tab)), _listener: None }
    }

    /// Joins the channel of all builds.
    pub(super) fn of_all_builds(on: impl Fn(Builds) + 'static) -> Channel {
        let channel = open(ALL_BUILDS);
        let listener = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(build) = event.data().as_string() {
                on(Builds { wants_to_lead: build });
            }
        });
        channel.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        Channel { channel, _listener: Some(listener) }
    }

    /// Asks tabs of other builds to let this one lead.
    pub(super) fn want_to_lead(&self, build: &str) {
        self.channel.post_message(&build.into()).expect("a text can be posted");
    }

    /// Says something.
    pub(super) fn say<T: Serialize>(&self, item: &T) {
        self.channel.post_message(&encode(item)).expect("bytes can be posted");
    }

    fn listening<T: DeserializeOwned>(name: &str, on: impl Fn(T) + 'static) -> Channel {
        let channel = open(name);
        let listener = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            if let Ok(item) = decode(&event.data()) {
                on(item);
            }
        });
        channel.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        Channel { channel, _listener: Some(listener) }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}

fn name_of(tab: TabId) -> String {
    format!("chanterelle tab {:016x}", tab.0)
}

fn open(name: &str) -> BroadcastChannel {
    BroadcastChannel::new(name).expect("browsers with modules have broadcast channels")
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use chanterelle_core::node::{Command, Target};
    use futures::StreamExt as _;
    use futures::channel::mpsc::unbounded;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::{Between, Channel, ToTab};
    use crate::worker::messages::{TabId, ToPage};

    #[wasm_bindgen_test]
    async fn what_one_tab_says_the_others_hear_and_what_is_not_of_the_build_nobody() {
        let (heard, mut hears) = unbounded();
        let listening =
            Channel::of_build("test", move |item| heard.unbounded_send(item).expect("the test lives"));
        let speaking = Channel::of_build("test", |item: Between| panic!("nobody hears itself: {item:?}"));
        speaking.want_to_lead("not in the form of this build");
        let items = [Between::Hello(TabId(u64::MAX)), Between::Opens, Between::All(vec![ToPage::Rests])];
        items.iter().for_each(|item| speaking.say(item));
        for item in items {
            assert_eq!(hears.next().await, Some(item));
        }
        drop(listening);
    }

    #[wasm_bindgen_test]
    async fn a_tab_is_spoken_to_alone() {
        let (heard, mut hears) = unbounded();
        let _own =
            Channel::of_own_tab(TabId(7), move |item| heard.unbounded_send(item).expect("the test lives"));
        let commands = |reign| ToTab::Commands {
            from: TabId(1),
            reign,
            last: 3,
            commands: vec![Command::Open(3, Target::Boards)],
        };
        Channel::to_tab(TabId(8)).say(&commands(1));
        Channel::to_tab(TabId(7)).say(&commands(2));
        assert_eq!(hears.next().await, Some(commands(2)));
    }
}
