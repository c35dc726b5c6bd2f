//! What pages ask about the person's secret, answered by whoever leads: backups, another identity, the passphrase lock.

use std::rc::Rc;

use chanterelle_core::crypto::Root;
use serde_bytes::{ByteArray, ByteBuf};
use wasm_bindgen_futures::spawn_local;

use super::channel::{Between, Builds, Channel, ToTab};
use super::lead::End;
use super::messages::{Answer, Ask, Backup, TabId, ToPage, post};
use super::shell::Shell;
use super::{Event, Tab};
use crate::storage::{Held, Lock, SecretError, Storage, StorageStatus};

/// Answers while the node runs.
pub(super) fn answer(tab: &Tab, shell: &Shell, asking: TabId, number: u32, ask: Ask) {
    let storage = match (&ask, shell.storage()) {
        (Ask::Kept(durable), Ok(_)) => {
            shell.tell_all([ToPage::Storage(StorageStatus::Ready { durable: *durable })]);
            return shell.answer(asking, number, Ok(Answer::Done));
        }
        (_, Ok(storage)) => storage,
        (_, Err(error)) => return shell.answer(asking, number, Err(error.into())),
    };
    let (shell, note) = (shell.clone(), tab.note.clone());
    spawn_local(async move {
        let changes = matches!(ask, Ask::Restore(_) | Ask::Swap);
        let answer = perform(&storage, ask).await;
        let changed = changes && answer.is_ok();
        shell.answer(asking, number, answer);
        if changed {
            // The worker lives as long as this.
            let _ = note.unbounded_send(Event::Changed);
        }
    });
}

async fn perform(storage: &Rc<Storage>, ask: Ask) -> Result<Answer, SecretError> {
    match ask {
        Ask::Backup(key) => {
            let root = storage.unlock(key.as_ref()).await?;
            let state = storage.state().await?.map(ByteBuf::from);
            Ok(Answer::Backup(Backup { root: ByteArray::new(root.0), state }))
        }
        Ask::Restore(backup) => {
            let root = Root(*backup.root);
            storage.replace(&root, backup.state.as_ref().map(|state| state.as_slice())).await?;
            Ok(Answer::Done)
        }
        Ask::Swap => storage.swap().await.map(|()| Answer::Done),
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
    }
}

/// Waits for the key of the passphrase; no node runs meanwhile.
pub(super) async fn until_unlocked(tab: &mut Tab, storage: &Storage, lock: &Lock) -> Result<Root, End> {
    post(&tab.port, &[ToPage::Rests, ToPage::Locked(lock.clone())]);
    tab.build.say(&Between::All(vec![ToPage::Locked(lock.clone())]));
    loop {
        let (asking, number, ask) = match tab.next_event().await {
            Event::Page(items) => {
                tab.note(items);
                let unlocks = |(_, ask): &(u32, Ask)| matches!(ask, Ask::Unlock(_));
                // The rest is answered once the node runs.
                let Some(at) = tab.asks.iter().position(unlocks) else { continue };
                let (number, ask) = tab.asks.remove(at);
                (tab.id, number, ask)
            }
            Event::Between(Between::Ask(other, number, ask)) => (other, number, ask),
            Event::Between(Between::Hello(other)) => {
                Channel::to_tab(other).say(&ToTab::Page(vec![ToPage::Locked(lock.clone())]));
                continue;
            }
            Event::Lost => return Err(End::Lost),
            Event::Builds(Builds { wants_to_lead }) if wants_to_lead != tab.name => {
                return Err(End::OtherBuild);
            }
            _ => continue,
        };
        let opened = match ask {
            Ask::Unlock(key) => storage.unlock(Some(&key)).await,
            _ => Err(SecretError::WrongKey),
        };
        let answer = opened.as_ref().map(|_| Answer::Done).map_err(Clone::clone);
        tell(tab, asking, ToPage::Answered(number, answer));
        if let Ok(root) = opened {
            post(&tab.port, &[ToPage::Running]);
            return Ok(root);
        }
    }
}

fn tell(tab: &Tab, to: TabId, item: ToPage) {
    if to == tab.id {
        post(&tab.port, &[item]);
    } else {
        Channel::to_tab(to).say(&ToTab::Page(vec![item]));
    }
}
