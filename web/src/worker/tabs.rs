//! The leader's side of several tabs: what the node says goes to the page it is for, and a tab that comes late is told
//! how things stand.

use std::cell::RefCell;
use std::rc::Rc;

use chanterelle_core::node::{Command, Notice, Update};
use vecmap::VecMap;
use web_sys::MessagePort;

use super::channel::{Between, Channel, ToTab};
use super::desk::{Addressee, Desk};
use super::messages::{TabId, ToPage, post};
use super::wishes::Wishes;

/// Everybody who is served.
pub(super) struct Tabs {
    own: TabId,
    reign: u64,
    port: MessagePort,
    /// What the own page waits for.
    wishes: Rc<RefCell<Wishes>>,
    /// Nobody is spoken to before there is one: a lonely tab pays for nothing.
    others: VecMap<TabId, Channel>,
    desk: Desk,
    state: State,
    outbox: Outbox,
}

/// What is to be said when the turn is over.
#[derive(Default)]
struct Outbox {
    own: Vec<ToPage>,
    others: VecMap<TabId, Vec<ToPage>>,
    all: Vec<ToPage>,
}

/// How things stand, of each thing the last word.
#[derive(Default)]
struct State {
    identity: Option<ToPage>,
    storage: Option<ToPage>,
    net: Option<ToPage>,
    sessions: Option<ToPage>,
    failing: Option<ToPage>,
}

impl State {
    fn note(&mut self, item: &ToPage) {
        let place = match item {
            ToPage::Identity(_) => &mut self.identity,
            ToPage::Storage(_) => &mut self.storage,
            ToPage::Net(_) => &mut self.net,
            ToPage::Update(Update::Network(_)) => &mut self.sessions,
            ToPage::Update(Update::Notice(Notice::StorageFailing(_))) => &mut self.failing,
            ToPage::Update(Update::Notice(Notice::StorageWorks)) => {
                self.failing = None;
                return;
            }
            _ => return,
        };
        *place = Some(item.clone());
    }

    fn told(&self) -> Vec<ToPage> {
        let items = [&self.storage, &self.identity, &self.net, &self.sessions];
        // A leader before this one may have failed to store.
        let works = ToPage::Update(Update::Notice(Notice::StorageWorks));
        let stores = self.failing.clone().unwrap_or(works);
        items.into_iter().flatten().cloned().chain([stores]).collect()
    }
}

impl Tabs {
    /// Serves the leader's own page and nobody else yet. `reign` is drawn anew for every leader.
    pub(super) fn new(own: TabId, reign: u64, port: MessagePort, wishes: Rc<RefCell<Wishes>>) -> Tabs {
        Tabs {
            own,
            reign,
            port,
            wishes,
            others: VecMap::new(),
            desk: Desk::default(),
            state: State::default(),
            outbox: Outbox::default(),
        }
    }

    /// The leader's own page.
    pub(super) fn own(&self) -> TabId {
        self.own
    }

    /// Whether there are others.
    pub(super) fn is_alone(&self) -> bool {
        self.others.is_empty()
    }

    /// Serves a tab from now on; whether it is new.
    pub(super) fn welcome(&mut self, tab: TabId) -> bool {
        let is_new = !self.others.contains_key(&tab);
        let channel = self.others.entry(tab).or_insert_with(|| Channel::to_tab(tab));
        channel.say(&ToTab::Welcome(self.own, self.reign));
        channel.say(&ToTab::Page(self.state.told()));
        is_new
    }

    /// Whether something was said to this leader, and not to one before.
    pub(super) fn is_meant(&self, reign: u64) -> bool {
        reign == self.reign
    }

    /// The node has a tab's commands up to this number.
    pub(super) fn taken(&self, tab: TabId, last: u64) {
        if let Some(channel) = self.others.get(&tab) {
            channel.say(&ToTab::Taken(last));
        }
    }

    /// A tab is gone; what the node has to be told.
    pub(super) fn leave(&mut self, tab: TabId) -> Vec<Command> {
        self.others.remove(&tab);
        self.desk.leave(tab)
    }

    /// A page's command as the node gets it.
    pub(super) fn take(&mut self, tab: TabId, command: Command) -> Option<Command> {
        self.desk.take(tab, command)
    }

    /// Something for the leader's own page.
    pub(super) fn tell_own(&mut self, item: ToPage) {
        self.outbox.own.push(item);
    }

    /// Something for one page.
    pub(super) fn tell(&mut self, tab: TabId, item: ToPage) {
        if tab == self.own {
            self.outbox.own.push(item);
        } else {
            self.outbox.others.entry(tab).or_default().push(item);
        }
    }

    /// Something for every page.
    pub(super) fn tell_all(&mut self, item: ToPage) {
        self.state.note(&item);
        if !self.others.is_empty() {
            self.outbox.all.push(item.clone());
        }
        self.outbox.own.push(item);
    }

    /// Something that only the other pages do not know yet.
    pub(super) fn tell_others(&mut self, item: ToPage) {
        self.state.note(&item);
        if !self.others.is_empty() {
            self.outbox.all.push(item);
        }
    }

    /// What the node says.
    pub(super) fn update(&mut self, update: Update) {
        match self.desk.give(update) {
            (Addressee::All, update) => self.tell_all(ToPage::Update(update)),
            (Addressee::One(tab), update) => {
                if tab == self.own {
                    self.wishes.borrow_mut().heard(&update);
                }
                self.tell(tab, ToPage::Update(update));
            }
            (Addressee::Nobody, _) => {}
        }
    }

    /// Says what has come together, each page's as one message. Other pages first: what is sent to peers goes out by the
    /// own page, and a page must have heard that its post was taken before anybody else has.
    pub(super) fn flush(&mut self, build: &Channel) {
        let Outbox { own, others, all } = std::mem::take(&mut self.outbox);
        for (tab, items) in others {
            if let Some(channel) = self.others.get(&tab) {
                channel.say(&ToTab::Page(items));
            }
        }
        if !all.is_empty() {
            build.say(&Between::All(all));
        }
        post(&self.port, &own);
    }
}
