//! The page's end of the link: commands out, updates in, as signals the views read.
//!
//! What is shown is derived from these signals alone. Nothing here decides what is valid, saved or sent; it repeats what
//! the node says.

mod direct;
mod keyed;
mod media;
mod notices;
mod open;
mod person;
mod preferences;
mod publish;
mod ready;

use chanterelle_core::base::AuthorId;
use chanterelle_core::node::{Command, SessionInfo, Update, ViewId};
use leptos::prelude::*;
use vecmap::VecMap;

use crate::link::{
    self, Answer, Ask, Expected, Incoming, Link, Lock, NetStatus, NotDialled, SecretError, StorageStatus,
};

pub(crate) use direct::{Direct, WrongServers};
pub(crate) use keyed::{Item, Keyed};
pub(crate) use media::{
    AllUsage, Blob, BlobState, Class, Lost, Made, Media, PrepareError, Preparing, Step, StoreError, Urgency,
};
pub(crate) use notices::Notices;
pub(crate) use open::{Listing, PostPreview, ThreadView};
pub(crate) use preferences::{Preferences, TextSize, Theme};
pub(crate) use publish::{NotPublished, Published};
pub(crate) use ready::{not_ready, ready_when};

use open::Sink;
use person::OnCode;
use publish::OnPublished;

/// The page's one client of the node. A handle: copies mean the same client.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    inner: StoredValue<Inner, LocalStorage>,
    /// The person's own key, once the node runs.
    pub identity: RwSignal<Option<AuthorId>>,
    /// How a passphrase opens what is stored here, while it is locked.
    pub locked: RwSignal<Option<Lock>>,
    /// How the page is connected.
    pub network: RwSignal<NetStatus>,
    /// The sessions with peers.
    pub sessions: RwSignal<Vec<SessionInfo>>,
    /// Whether something was written on this page: from then on there is something to lose.
    pub wrote: RwSignal<bool>,
    /// Where posts are kept.
    pub storage: RwSignal<StorageStatus>,
    /// What is wrong.
    pub notices: Notices,
}

struct Inner {
    /// `None` only while the link is being made.
    link: Option<Link>,
    /// Numbers views and requests. One counter serves both; they need only be new.
    next: u32,
    sinks: VecMap<ViewId, Sink>,
    publishing: VecMap<u32, OnPublished>,
    inviting: VecMap<u32, OnCode>,
}

impl Client {
    /// Starts the node and listens to it for as long as the page lives.
    pub(crate) fn start() -> Self {
        let client = Self {
            inner: StoredValue::new_local(Inner {
                link: None,
                next: 0,
                sinks: VecMap::new(),
                publishing: VecMap::new(),
                inviting: VecMap::new(),
            }),
            identity: RwSignal::new(None),
            locked: RwSignal::new(None),
            network: RwSignal::new(NetStatus { connecting: true, ..NetStatus::default() }),
            sessions: RwSignal::new(Vec::new()),
            wrote: RwSignal::new(false),
            storage: RwSignal::new(StorageStatus::Opening),
            notices: Notices::new(),
        };
        let link = link::start(move |incoming| client.on_incoming(incoming));
        client.inner.update_value(|inner| inner.link = Some(link));
        client
    }

    /// The client of the page a component is in.
    pub(crate) fn here() -> Self {
        expect_context()
    }

    /// Sends a command to the node.
    pub(crate) fn send(self, command: Command) {
        self.inner.with_value(|inner| {
            inner.link.as_ref().expect("the link is made before anything is shown").send(command);
        });
    }

    /// Whether the person wants direct connections, from now on.
    pub(crate) fn allow_direct(self, direct: bool) {
        self.inner.with_value(|inner| {
            inner.link.as_ref().expect("the link is made before anything is shown").allow_direct(direct);
        });
    }

    /// Connects to an address that the person gives: whom to expect.
    ///
    /// # Errors
    /// Why it is not dialled.
    pub(crate) fn connect(self, address: &str) -> Result<Expected, NotDialled> {
        let link = self.inner.with_value(|inner| inner.link.clone());
        link.expect("the link is made before anything is shown").connect(address)
    }

    /// The way to the network, for what takes its time.
    pub(crate) fn link(self) -> Link {
        let link = self.inner.with_value(|inner| inner.link.clone());
        link.expect("the link is made before anything is shown")
    }

    /// Asks about the person's secret.
    ///
    /// # Errors
    /// Why it is not answered.
    pub(crate) async fn ask(self, ask: Ask) -> Result<Answer, SecretError> {
        let link = self.inner.with_value(|inner| inner.link.clone());
        link.expect("the link is made before anything is shown").ask(ask).await
    }

    fn number(self) -> u32 {
        self.inner
            .try_update_value(|inner| {
                inner.next = inner.next.wrapping_add(1);
                inner.next
            })
            .expect("the client lives as long as the page")
    }

    fn on_incoming(self, incoming: Incoming) {
        match incoming {
            Incoming::Update(update) => self.on_update(update),
            Incoming::Identity(author) => {
                self.locked.set(None);
                self.identity.set(Some(author));
            }
            Incoming::Locked(lock) => self.locked.set(Some(lock)),
            Incoming::Net(status) => self.network.set(status),
            Incoming::Storage(status) => {
                self.notices.failed.set(None);
                self.storage.set(status);
            }
            Incoming::Failed(reason) => {
                self.notices.failed.set(Some(reason));
                self.give_up_publishing();
            }
        }
    }

    fn on_update(self, update: Update) {
        match update {
            Update::Published { request, event, thread, .. } => {
                self.wrote.set(true);
                self.answer(request, Ok(Published { event, thread }));
            }
            Update::Refused { request, reason } => self.answer(request, Err(NotPublished::Refused(reason))),
            Update::Invited { request, code } => self.invited(request, code),
            Update::Network(sessions) => self.sessions.set(sessions),
            Update::Notice(notice) => self.notices.on_notice(notice),
            shown => self.show(shown),
        }
    }
}
