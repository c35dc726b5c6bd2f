//! While this worker holds the lock of the profile: it runs the node, for its own page and for those of other tabs.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use chanterelle_core::Node;
use chanterelle_core::base::{AuthorId, Limits, PeerId};
use chanterelle_core::crypto::{Identity, Root};
use chanterelle_core::node::{Input, Notice, Setup, StorageError, Update};
use chanterelle_core::wire::Role;
use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::{Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::channel::{Between, Builds, Channel, ToTab};
use super::messages::{TabId, ToPage, ToWorker, post};
use super::secret::Asked;
use super::shell::Shell;
use super::tabs::Tabs;
use super::{Event, Tab, clock, lock, secret};
use crate::storage::{Held, Storage, StorageStatus, Untidy, random};

/// Opening takes milliseconds; after this the browser is not going to answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// A large board takes seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two words to tabs that wait while the storage is opened.
const OPENS: Duration = Duration::from_secs(1);

/// After a silence of this length, milliseconds, it is asked whether the lock was taken away: less than what tabs bear.
const SILENCE: u64 = 6_000;

/// How long storing may go on when another is to lead.
const FINISH_TIMEOUT: Duration = Duration::from_secs(3);

const STORAGE_LOST: &str = "the browser has taken the storage away, because its data was cleared or a newer version \
                            of this page is open; reload this page to go on";

const NOT_SETTLED: &str =
    "what was written before cannot be stored at the moment, and nothing was changed; try again";

/// Why a worker leads no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The browser is about to stop the page.
    Yielded,
    /// Another tab has taken the lock: this one did not answer.
    Lost,
    /// A tab of another build wants to lead.
    OtherBuild,
    /// Another identity is stored than the node has.
    Changed,
}

#[wasm_bindgen]
extern "C" {
    type StorageManager;
    #[wasm_bindgen(method, catch)]
    fn persisted(this: &StorageManager) -> Result<Promise, JsValue>;
}

/// Runs the node until another is to do it.
pub(super) async fn lead(tab: &mut Tab) -> End {
    post(&tab.port, &[ToPage::Running, ToPage::Storage(StorageStatus::Opening)]);
    let opens = say_opens(tab.build.clone());
    let (shell, author) = match select(Box::pin(start(tab)), Box::pin(opens)).await {
        Either::Left((Ok(started), _)) => started,
        Either::Left((Err(end), _)) => return end,
        Either::Right((never, _)) => match never {},
    };
    tab.build.say(&Between::Leads);
    let wishes = tab.wishes.borrow().again();
    take(tab, &shell, wishes.into_iter().map(ToWorker::Command).collect());
    let asks = tab.asks.drain(..).map(|(number, ask)| ToWorker::Ask(number, ask)).collect();
    tab.events.push_front(Event::Page(asks));
    let mut turn = clock::now().instant;
    loop {
        let event = tab.next_event().await;
        let now = clock::now().instant;
        if now.0.saturating_sub(std::mem::replace(&mut turn, now).0) > SILENCE
            && !lock::holds_profile(tab.id).await
        {
            tab.events.push_front(event);
            tab.events.push_front(Event::Lost);
            continue;
        }
        let Some(end) = on_event(tab, &shell, event) else { continue };
        if let Some(end) = finish(tab, &shell, author, end).await {
            return end;
        }
    }
}

/// Tells tabs that wait to be served that there is somebody.
async fn say_opens(build: Rc<Channel>) -> Infallible {
    loop {
        build.say(&Between::Opens);
        Delay::new(OPENS).await;
    }
}

/// What an event asks of who leads beyond passing it to the node.
enum Then {
    /// To lead no more.
    End(End),
    /// To put another identity here.
    Change(Asked),
}

fn on_event(tab: &mut Tab, shell: &Shell, event: Event) -> Option<Then> {
    match event {
        Event::Page(mut items) => {
            let yields = items.contains(&ToWorker::Yield) && !shell.is_alone();
            let at =
                items.iter().position(|item| matches!(item, ToWorker::Ask(_, ask) if secret::changes(ask)));
            // Whatever was said after that is for the node that comes then.
            let mut later = at.map(|at| items.split_off(at)).unwrap_or_default().into_iter();
            take(tab, shell, items);
            if let Some(ToWorker::Ask(number, ask)) = later.next() {
                tab.events.push_front(Event::Page(later.collect()));
                return then_change(shell, Asked { asking: tab.id, number, ask });
            }
            return yields.then_some(Then::End(End::Yielded));
        }
        Event::Node(input) => shell.feed([input]),
        Event::Between(Between::Hello(other)) => {
            if shell.welcome(other) {
                tab.watch(other);
            }
        }
        Event::Told(ToTab::Commands { from, reign, last, commands }) if shell.is_meant(reign) => {
            shell.take_from(from, last, commands);
        }
        // Unlocking what is open harms nobody.
        Event::Told(ToTab::Ask { from, reign, number, ask })
            if reign.is_none_or(|reign| shell.is_meant(reign)) =>
        {
            if secret::changes(&ask) {
                return then_change(shell, Asked { asking: from, number, ask });
            }
            secret::answer(shell, from, number, ask);
        }
        Event::Gone(other) => shell.leave(other),
        Event::StorageLost => shell.lose_storage(STORAGE_LOST),
        Event::Lost => return Some(Then::End(End::Lost)),
        Event::Builds(Builds { wants_to_lead }) if wants_to_lead != tab.name => {
            return Some(Then::End(End::OtherBuild));
        }
        Event::Between(_) | Event::Builds(_) | Event::Told(_) => {}
    }
    None
}

/// Does what the own page wants.
fn take(tab: &mut Tab, shell: &Shell, items: Vec<ToWorker>) {
    for item in &items {
        match item {
            ToWorker::Command(command) => tab.wishes.borrow_mut().note(command),
            ToWorker::Ask(number, ask) => secret::answer(shell, tab.id, *number, ask.clone()),
            _ => {}
        }
    }
    shell.take(items);
    let mut wishes = tab.wishes.borrow_mut();
    let last = wishes.last();
    wishes.taken(last);
}

fn then_change(shell: &Shell, asked: Asked) -> Option<Then> {
    match shell.storage() {
        Ok(_) => Some(Then::Change(asked)),
        Err(error) => {
            shell.answer(asked.asking, asked.number, Err(error.into()));
            None
        }
    }
}

/// Stops the node once everything is stored; `None` when it has to go on because it cannot be.
async fn finish(tab: &mut Tab, shell: &Shell, author: AuthorId, then: Then) -> Option<End> {
    let storage = shell.storage();
    let lost = matches!(then, Then::End(End::Lost));
    // Without storage everything would be lost, and would not be if the browser changes its mind.
    if matches!(then, Then::End(End::Yielded)) && storage.is_err() {
        return None;
    }
    let settled = lost || settle(tab, shell).await;
    match then {
        // What is kept in memory alone is kept for as long as it can be.
        Then::End(End::Yielded) if !settled => None,
        Then::End(end) => {
            post(&tab.port, &[ToPage::Rests]);
            shell.stop();
            Some(end)
        }
        Then::Change(asked) if !settled => {
            let error = StorageError::Failed(NOT_SETTLED.to_owned());
            shell.answer(asked.asking, asked.number, Err(error.into()));
            None
        }
        Then::Change(asked) => {
            post(&tab.port, &[ToPage::Rests]);
            shell.stop();
            if let Ok(storage) = storage {
                secret::change(tab, &storage, asked, Some(author)).await;
            }
            Some(End::Changed)
        }
    }
}

/// Waits until everything is stored that the node has taken; whether it is. Events that come meanwhile wait.
async fn settle(tab: &mut Tab, shell: &Shell) -> bool {
    let mut timeout = Delay::new(FINISH_TIMEOUT);
    let mut waiting = Vec::new();
    let settled = loop {
        if shell.is_settled() {
            break true;
        }
        match select(Box::pin(tab.next_event()), &mut timeout).await {
            Either::Left((Event::Node(input), _)) => shell.feed([input]),
            Either::Left((Event::Lost, _)) => {
                waiting.insert(0, Event::Lost);
                break false;
            }
            Either::Left((event, _)) => waiting.push(event),
            Either::Right(_) => break false,
        }
    };
    waiting.into_iter().rev().for_each(|event| tab.events.push_front(event));
    settled
}

/// Opens the storage and starts the node with it, or one without storage.
async fn start(tab: &mut Tab) -> Result<(Shell, AuthorId), End> {
    let (node, author, storage, untidy) = match open(tab).await {
        Ok(Ok((node, author, storage, untidy))) => (node, author, Ok(storage), Some(untidy)),
        Ok(Err(end)) => return Err(end),
        Err(error) => {
            let (node, author) = empty_node(tab.peer);
            (node, author, Err(error), None)
        }
    };
    // It may have taken long, and from here on the node acts.
    if !lock::holds_profile(tab.id).await {
        return Err(End::Lost);
    }
    let status = match &storage {
        Ok(_) => StorageStatus::Ready { durable: false },
        Err(error) => StorageStatus::MemoryOnly(error.to_string()),
    };
    let tabs = Tabs::new(tab.id, random_number(), tab.port.clone(), tab.wishes.clone());
    let shell = Shell::new(node, storage.clone(), tabs, tab.build.clone(), tab.note.clone());
    // Also performs what the node has to do after it was restored.
    // A leader before this one may have failed to store.
    let works = ToPage::Update(Update::Notice(Notice::StorageWorks));
    shell.tell_all([ToPage::Identity(author), ToPage::Storage(status), works]);
    if let (Ok(storage), Some(untidy)) = (storage, untidy) {
        let shell = shell.clone();
        spawn_local(async move {
            if is_durable().await {
                shell.tell_all([ToPage::Storage(StorageStatus::Ready { durable: true })]);
            }
            // Only the next start would be faster for it.
            let _ = storage.tidy(untidy).await;
        });
    }
    Ok((shell, author))
}

type Opened = (Node, AuthorId, Rc<Storage>, Untidy);

/// Opens the storage and feeds a node with it.
async fn open(tab: &mut Tab) -> Result<Result<Opened, End>, StorageError> {
    let note = tab.note.clone();
    let on_lost = move || drop(note.unbounded_send(Event::StorageLost));
    let storage = in_time(OPEN_TIMEOUT, Storage::open(on_lost)).await?;
    let root = match in_time(OPEN_TIMEOUT, storage.root()).await? {
        Held::Open(root) => root,
        Held::Locked(lock) => match secret::until_unlocked(tab, &storage, &lock).await {
            Ok(root) => root,
            Err(end) => return Ok(Err(end)),
        },
    };
    let identity = Identity::from_root(root);
    let author = identity.identity().public();
    let mut node = Node::new(setup(tab.peer, identity)?, clock::now());
    let state = in_time(OPEN_TIMEOUT, storage.state()).await?;
    let rows = storage.rows(|rows| node.handle(clock::now(), Input::Restore(rows)));
    let untidy = in_time(READ_TIMEOUT, rows).await?;
    node.handle(clock::now(), Input::Restored(state));
    Ok(Ok((node, author, Rc::new(storage), untidy)))
}

/// What the storage answers, or that it does not.
async fn in_time<T>(
    time: Duration,
    answer: impl Future<Output = Result<T, StorageError>>,
) -> Result<T, StorageError> {
    match select(Box::pin(answer), Delay::new(time)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => {
            Err(StorageError::Unavailable("the browser does not open its storage; restart it".to_owned()))
        }
    }
}

/// A node that keeps nothing and signs with keys that are gone when the page is.
pub(super) fn empty_node(peer: PeerId) -> (Node, AuthorId) {
    let identity = Identity::from_root(Root(random().expect("browsers have entropy")));
    let author = identity.identity().public();
    let setup = setup(peer, identity).expect("browsers have entropy");
    let mut node = Node::new(setup, clock::now());
    node.handle(clock::now(), Input::Restored(None));
    (node, author)
}

fn setup(peer: PeerId, identity: Identity) -> Result<Setup, StorageError> {
    Ok(Setup {
        seed: random()?,
        peer,
        role: Role::Tab,
        identity: Some(identity),
        agent: crate::AGENT.to_owned(),
        limits: Limits::default(),
    })
}

/// A number nobody else draws.
pub(super) fn random_number() -> u64 {
    let bytes = random().expect("browsers have entropy");
    u64::from_le_bytes(*bytes.first_chunk().expect("32 bytes hold 8"))
}

/// A tab's name for as long as its worker lives.
pub(super) fn new_tab() -> TabId {
    TabId(random_number())
}

/// Whether the browser has promised not to evict what is stored. Asks for nothing.
async fn is_durable() -> bool {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).unwrap_or_default();
    let manager = Reflect::get(&navigator, &"storage".into()).unwrap_or_default();
    if !manager.is_object() {
        return false;
    }
    let Ok(promise) = manager.unchecked_into::<StorageManager>().persisted() else { return false };
    JsFuture::from(promise).await.is_ok_and(|answer| answer.is_truthy())
}
