//! While another tab's worker runs the node: this one carries its page's commands there and what it is told back, and
//! waits for the lock.
//!
//! A leader whose browser has frozen it says nothing and keeps the lock. A tab that a person looks at and that hears
//! nothing for [`PATIENCE`] takes it away.

use std::pin::Pin;
use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;

use chanterelle_core::node::StorageError;

use super::channel::{Between, Channel, ToTab};
use super::lock::{self, Held};
use super::messages::{Ask, ToPage, ToWorker, post};
use super::{Event, Tab};
use crate::storage::SecretError;

/// Before the first greeting.
const FIRST_GREET: Duration = Duration::from_millis(20);

/// Between two greetings; a leader answers each, so it is known to live.
const GREET: Duration = Duration::from_secs(2);

/// A leader that says nothing for this long is not there for anybody.
const PATIENCE: u32 = 4;

/// Greetings without an answer after which it is assumed that a tab of another build leads.
const FOREIGN: u32 = 1;

const OTHER_BUILD: &str = "Another tab of this browser runs another version of this page, and only one of them can \
                           have the storage. Reload this page to go on with the current version.";

const LEADER_GONE: &str = "the tab that was asked has been closed; look whether it was done, and try again";

/// How this worker came to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Its page was just opened: if tabs of another build are there, they give way to it.
    Start,
    /// It has led, and another tab took the lock.
    Lost,
    /// It has led, and the browser was about to stop the page. It leads again when that is over.
    Yielded,
    /// It has led, and gave way to another build: its page can only be reloaded.
    OtherBuild,
}

/// Follows until this worker is to lead.
pub(super) async fn follow(tab: &mut Tab, since: Since) -> Held {
    if since == Since::OtherBuild {
        post(&tab.port, &[ToPage::Failed(OTHER_BUILD.to_owned())]);
        loop {
            tab.next_event().await;
        }
    }
    if since == Since::Yielded {
        until_seen(tab).await;
    }
    let mut lock = Box::pin(lock::acquire(lock::PROFILE, tab.on_lost()));
    let mut reign = Reign { served: None, silent: 0, asked: Vec::new() };
    // A lonely tab has the lock before that is over, and greets nobody.
    let mut timer = Delay::new(FIRST_GREET);
    loop {
        match next(lock.as_mut(), tab, &mut timer).await {
            Next::Lock(held) => {
                reign.give_up_asking(tab);
                return held;
            }
            Next::Event(event) => reign.on_event(tab, event),
            Next::Timer => {
                timer = Delay::new(GREET);
                tab.build.say(&Between::Hello(tab.id));
                reign.silent += 1;
                if reign.silent > PATIENCE && tab.is_seen {
                    reign.give_up_asking(tab);
                    return lock::steal(lock::PROFILE, tab.on_lost()).await;
                }
                if reign.silent > FOREIGN && reign.served.is_none() {
                    reign.is_foreign(tab, since);
                }
            }
        }
    }
}

/// What comes first.
enum Next {
    Lock(Held),
    Event(Event),
    Timer,
}

async fn next(lock: Pin<&mut impl Future<Output = Held>>, tab: &mut Tab, timer: &mut Delay) -> Next {
    let event = Box::pin(tab.next_event());
    match select(select(lock, event), timer).await {
        Either::Left((Either::Left((held, _)), _)) => Next::Lock(held),
        Either::Left((Either::Right((event, _)), _)) => Next::Event(event),
        Either::Right(_) => Next::Timer,
    }
}

/// The page goes on when the browser lets it, which the page tells.
async fn until_seen(tab: &mut Tab) {
    loop {
        let Event::Page(items) = tab.next_event().await else { continue };
        let seen = items.contains(&ToWorker::Seen(true));
        tab.note(items);
        if seen {
            return;
        }
    }
}

/// What this tab knows of the leader.
struct Reign {
    /// The reign in which it is served.
    served: Option<u64>,
    /// Greetings since it last heard from the leader.
    silent: u32,
    /// What the leader has not answered.
    asked: Vec<u32>,
}

impl Reign {
    fn on_event(&mut self, tab: &mut Tab, event: Event) {
        match event {
            Event::Page(items) => {
                if self.served.is_none() {
                    tab.note(items);
                    // Whoever leads may wait for just that.
                    self.ask(tab, |ask| matches!(ask, Ask::Unlock(_)));
                    return;
                }
                let mut commands = Vec::new();
                for item in items {
                    match item {
                        ToWorker::Command(command) => {
                            tab.wishes.borrow_mut().note(&command, true);
                            commands.push(command);
                        }
                        ToWorker::Ask(number, ask) => tab.asks.push((number, ask)),
                        _ => {}
                    }
                }
                self.ask(tab, |_| true);
                if !commands.is_empty() {
                    tab.build.say(&Between::Commands(tab.id, commands));
                }
            }
            Event::Between(Between::Leads) => {
                self.served = None;
                tab.build.say(&Between::Hello(tab.id));
            }
            Event::Told(ToTab::Welcome(reign)) => {
                self.silent = 0;
                // To tell one leader twice would be to publish twice.
                if self.served.replace(reign) != Some(reign) {
                    self.give_up_asking(tab);
                    let wishes = tab.wishes.borrow_mut().again();
                    tab.build.say(&Between::Commands(tab.id, wishes));
                    self.ask(tab, |_| true);
                }
            }
            Event::Told(ToTab::Page(items)) => {
                self.silent = 0;
                self.asked.retain(|number| {
                    !items.iter().any(|item| matches!(item, ToPage::Answered(of, _) if of == number))
                });
                hand_on(tab, items);
            }
            Event::Between(Between::All(items)) => hand_on(tab, items),
            Event::Between(_) | Event::Builds(_) | Event::Gone(_) | Event::Lost | Event::Changed => {}
        }
    }

    /// Asks the leader what is to be asked and `which` fits.
    fn ask(&mut self, tab: &mut Tab, which: impl Fn(&Ask) -> bool) {
        for (number, ask) in std::mem::take(&mut tab.asks) {
            if which(&ask) {
                self.asked.push(number);
                tab.build.say(&Between::Ask(tab.id, number, ask));
            } else {
                tab.asks.push((number, ask));
            }
        }
    }

    /// What the last leader did not answer, it may have done or not.
    fn give_up_asking(&mut self, tab: &Tab) {
        let lost = || Err(SecretError::Storage(StorageError::Failed(LEADER_GONE.to_owned())));
        let given_up = self.asked.drain(..).map(|number| ToPage::Answered(number, lost()));
        post(&tab.port, &given_up.collect::<Vec<_>>());
    }

    /// Nobody of this build answers, and yet the lock is taken.
    fn is_foreign(&mut self, tab: &Tab, since: Since) {
        match since {
            Since::Start => Channel::of_all_builds(|_| {}).want_to_lead(&tab.name),
            _ => post(&tab.port, &[ToPage::Failed(OTHER_BUILD.to_owned())]),
        }
    }
}

fn hand_on(tab: &mut Tab, items: Vec<ToPage>) {
    for item in &items {
        if let ToPage::Update(update) = item {
            tab.wishes.borrow_mut().heard(update);
        }
    }
    post(&tab.port, &items);
}
