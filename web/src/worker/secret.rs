//! What pages ask about the person's secret, answered by whoever leads: backups, another identity, the passphrase lock.

use chanterelle_core::base::AuthorId;
use chanterelle_core::crypto::{Identity, Root};
use serde_bytes::{ByteArray, ByteBuf};
use wasm_bindgen_futures::spawn_local;

use super::channel::{Between, Builds, Channel, ToTab};
use super::lead::End;
use super::messages::{Answer, Ask, Backup, TabId, ToPage, post};
use super::shell::Shell;
use super::{Event, Tab};
use crate::storage::{Held, Lock, SecretError, Storage, StorageStatus};

/// Answers what changes nothing under the running node. [`change`] does the rest.
pub(super) fn answer(shell: &Shell, asking: TabId, number: u32, ask: Ask) {
    let storage = match (&ask, shell.storage()) {
        (Ask::Kept(durable), Ok(_)) => {
            shell.tell_all([ToPage::Storage(StorageStatus::Ready { durable: *durable })]);
            return shell.answer(asking, number, Ok(Answer::Done));
        }
        (_, Ok(storage)) => storage,
        (_, Err(error)) => return shell.answer(asking, number, Err(error.into())),
    };
    let shell = shell.clone();
    spawn_local(async move {
        let answer = perform(&storage, ask).await;
        shell.answer(asking, number, answer);
    });
}

/// Whether a question is one to put another identity in the place of this one. The node stops first: what it would store
/// later is of the person before.
pub(super) fn changes(ask: &Ask) -> bool {
    matches!(ask, Ask::Restore(_) | Ask::Swap)
}

/// Puts another identity here, while no node runs. `here` is whose this one is, if that is known.
pub(super) async fn change(tab: &Tab, storage: &Storage, asked: Asked, here: Option<AuthorId>) {
    let Asked { asking, number, ask } = asked;
    let done = match ask {
        Ask::Restore(backup) => {
            let root = Root(*backup.root);
            let author = Identity::from_root(Root(*backup.root)).identity().public();
            let state = backup.state.as_ref().map(|state| state.as_slice());
            match here == Some(author) {
                true => storage.add_backup(state).await,
                false => storage.replace(&root, state).await,
            }
        }
        _ => storage.swap().await,
    };
    tell(tab, asking, ToPage::Answered(number, done.map(|()| Answer::Done)));
}

/// What somebody asks.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) asking: TabId,
    /// The page's own number for it.
    pub(super) number: u32,
    pub(super) ask: Ask,
}

async fn perform(storage: &Storage, ask: Ask) -> Result<Answer, SecretError> {
    match ask {
        Ask::Backup(key) => {
            let root = storage.unlock(key.as_ref()).await?;
            let state = storage.state().await?.map(ByteBuf::from);
            Ok(Answer::Backup(Backup { root: ByteArray::new(root.0), state }))
        }
        Ask::State => {
            let lock = match storage.root().await? {
                Held::Open(_) => None,
                Held::Locked(lock) => Some(lock),
            };
            Ok(Answer::State { previous: storage.has_previous().await?, lock })
        }
        Ask::Lock(old, new) => {
            let new = new.as_ref().map(|(key, lock)| (key, lock));
            storage.lock(old.as_ref(), new).await.map(|()| Answer::Done)
        }
        // The node runs, so whatever was locked is open.
        Ask::Unlock(key) => storage.unlock(Some(&key)).await.map(|_| Answer::Done),
        Ask::Kept(_) => Ok(Answer::Done),
        Ask::Restore(_) | Ask::Swap => unreachable!("who changes the identity stops the node first"),
    }
}

/// Waits for the key of the passphrase; no node runs meanwhile. Who has forgotten it can put a backup here, or go back to
/// the identity from before.
pub(super) async fn until_unlocked(tab: &mut Tab, storage: &Storage, lock: &Lock) -> Result<Root, End> {
    post(&tab.port, &[ToPage::Rests, ToPage::Locked(lock.clone())]);
    tab.build.say(&Between::Locked(tab.id, lock.clone()));
    loop {
        let own = tab.asks.iter().position(|(_, ask)| is_for_locked(ask));
        let asked = match own {
            Some(at) => {
                let (number, ask) = tab.asks.remove(at);
                Asked { asking: tab.id, number, ask }
            }
            None => match tab.next_event().await {
                Event::Page(items) => {
                    tab.note(items);
                    continue;
                }
                Event::Told(ToTab::Ask { from, number, ask, .. }) if is_for_locked(&ask) => {
                    Asked { asking: from, number, ask }
                }
                Event::Between(Between::Hello(_)) => {
                    tab.build.say(&Between::Locked(tab.id, lock.clone()));
                    continue;
                }
                Event::Lost => return Err(End::Lost),
                Event::Builds(Builds { wants_to_lead }) if wants_to_lead != tab.name => {
                    return Err(End::OtherBuild);
                }
                _ => continue,
            },
        };
        if changes(&asked.ask) {
            change(tab, storage, asked, None).await;
            return Err(End::Changed);
        }
        let Asked { asking, number, ask } = asked;
        if let Ask::Unlock(key) = ask {
            let opened = storage.unlock(Some(&key)).await;
            let answer = opened.as_ref().map(|_| Answer::Done).map_err(Clone::clone);
            tell(tab, asking, ToPage::Answered(number, answer));
            if let Ok(root) = opened {
                post(&tab.port, &[ToPage::Running]);
                return Ok(root);
            }
        } else {
            let answer = perform(storage, ask).await;
            tell(tab, asking, ToPage::Answered(number, answer));
        }
    }
}

/// What can be done before the passphrase is known. The rest is answered once the node runs.
pub(super) fn is_for_locked(ask: &Ask) -> bool {
    matches!(ask, Ask::Unlock(_) | Ask::State) || changes(ask)
}

fn tell(tab: &Tab, to: TabId, item: ToPage) {
    if to == tab.id {
        post(&tab.port, &[item]);
    } else {
        Channel::to_tab(to).say(&ToTab::Page(vec![item]));
    }
}
