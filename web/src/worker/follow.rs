//! While another tab's worker runs the node: this one carries its page's commands there and what it is told back, and
//! waits for the lock.
//!
//! A leader whose browser has frozen it says nothing and keeps the lock. A tab that a person looks at and that hears
//! nothing for [`PATIENCE`] takes it away.

use std::pin::Pin;
use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;

use chanterelle_core::node::Command;

use super::channel::{Between, Channel, ToTab};
use super::lock::{self, Held};
use super::messages::{ToPage, ToWorker, post};
use super::secret::is_for_locked;
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
        until_resumed(tab).await;
    }
    let mut lock = Box::pin(lock::acquire(lock::PROFILE, tab.on_lost()));
    let mut reign = Reign { served: None, locked_by: None, silent: 0, asked: Vec::new() };
    // A lonely tab has the lock before that is over, and greets nobody.
    let mut timer = Delay::new(FIRST_GREET);
    loop {
        match next(lock.as_mut(), tab, &mut timer).await {
            Next::Lock(held) => {
                reign.give_up_asking(tab);
                return held;
            }
            Next::Event(event) => reign.on_event(tab, *event),
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
    Event(Box<Event>),
    Timer,
}

async fn next(lock: Pin<&mut impl Future<Output = Held>>, tab: &mut Tab, timer: &mut Delay) -> Next {
    let event = Box::pin(tab.next_event());
    match select(select(lock, event), timer).await {
        Either::Left((Either::Left((held, _)), _)) => Next::Lock(held),
        Either::Left((Either::Right((event, _)), _)) => Next::Event(Box::new(event)),
        Either::Right(_) => Next::Timer,
    }
}

/// The page goes on when the browser lets it, which the page tells.
async fn until_resumed(tab: &mut Tab) {
    loop {
        let Event::Page(items) = tab.next_event().await else { continue };
        let goes_on = items.iter().any(|item| matches!(item, ToWorker::Seen(_)));
        tab.note(items);
        if goes_on {
            return;
        }
    }
}

/// What this tab knows of the leader.
struct Reign {
    /// By whom it is served, and in which reign.
    served: Option<(Channel, u64)>,
    /// Who has the lock and waits for the passphrase.
    locked_by: Option<Channel>,
    /// Greetings since it last heard from the leader.
    silent: u32,
    /// What the leader has not answered.
    asked: Vec<u32>,
}

impl Reign {
    fn on_event(&mut self, tab: &mut Tab, event: Event) {
        match event {
            Event::Page(items) => {
                let mut commands = Vec::new();
                for item in items {
                    match item {
                        ToWorker::Command(command) => {
                            tab.wishes.borrow_mut().note(&command);
                            commands.push(command);
                        }
                        ToWorker::Ask(number, ask) => tab.asks.push((number, ask)),
                        _ => {}
                    }
                }
                self.ask(tab);
                if !commands.is_empty() {
                    self.command(tab, commands);
                }
            }
            Event::Between(Between::Opens) => {
                self.silent = 0;
                self.served = None;
            }
            Event::Between(Between::Locked(by, lock)) => {
                self.silent = 0;
                self.served = None;
                self.locked_by = Some(Channel::to_tab(by));
                post(&tab.port, &[ToPage::Locked(lock)]);
                self.ask(tab);
            }
            Event::Between(Between::Leads) => {
                self.served = None;
                tab.build.say(&Between::Hello(tab.id));
            }
            Event::Told(ToTab::Welcome(leader, reign)) => {
                self.silent = 0;
                // To tell one leader twice would be to publish twice.
                if self.served.as_ref().is_none_or(|(_, known)| *known != reign) {
                    self.give_up_asking(tab);
                    self.served = Some((Channel::to_tab(leader), reign));
                    self.locked_by = None;
                    let wishes = tab.wishes.borrow().again();
                    self.command(tab, wishes);
                    self.ask(tab);
                }
            }
            Event::Told(ToTab::Page(items)) => {
                self.silent = 0;
                self.asked.retain(|number| {
                    !items.iter().any(|item| matches!(item, ToPage::Answered(of, _) if of == number))
                });
                hand_on(tab, items);
            }
            Event::Told(ToTab::Taken(last)) => tab.wishes.borrow_mut().taken(last),
            Event::Between(Between::All(items)) => hand_on(tab, items),
            // What was meant for this tab when it led is told to the next leader again.
            Event::Told(ToTab::Commands { .. } | ToTab::Ask { .. }) => {}
            Event::Between(Between::Hello(_)) | Event::Builds(_) | Event::Gone(_) => {}
            Event::Lost | Event::StorageLost | Event::Node(_) => {}
        }
    }

    /// Tells the leader what the page wants.
    fn command(&self, tab: &Tab, commands: Vec<Command>) {
        if let Some((leader, reign)) = &self.served {
            let last = tab.wishes.borrow().last();
            leader.say(&ToTab::Commands { from: tab.id, reign: *reign, last, commands });
        }
    }

    /// Asks the leader what is to be asked; before the passphrase is known, what can be answered then.
    fn ask(&mut self, tab: &mut Tab) {
        let (leader, reign) = match (&self.served, &self.locked_by) {
            (Some((leader, reign)), _) => (leader, Some(*reign)),
            (None, Some(leader)) => (leader, None),
            (None, None) => return,
        };
        for (number, ask) in std::mem::take(&mut tab.asks) {
            if reign.is_some() || is_for_locked(&ask) {
                self.asked.push(number);
                leader.say(&ToTab::Ask { from: tab.id, reign, number, ask });
            } else {
                tab.asks.push((number, ask));
            }
        }
    }

    /// What the last leader did not answer, it may have done or not.
    fn give_up_asking(&mut self, tab: &Tab) {
        let given_up =
            self.asked.drain(..).map(|number| ToPage::Answered(number, Err(SecretError::Unanswered)));
        post(&tab.port, &given_up.collect::<Vec<_>>());
    }

    /// Nobody of this build answers, and yet the lock is taken.
    fn is_foreign(&mut self, tab: &Tab, since: Since) {
        match since {
            Since::Start => Channel::of_all_builds(|_| {}).want_to_lead(&tab.name),
            _ => {
                // By which the page tells the person that what is not answered was not posted.
                tab.wishes.borrow_mut().publish_nothing();
                post(&tab.port, &[ToPage::Failed(OTHER_BUILD.to_owned())]);
            }
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
