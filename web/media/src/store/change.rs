//! Changing records: in the database first, then in this tab, then in others, which hear of it.

use std::collections::BTreeMap;

use chanterelle_core::base::BlobId;
use js_sys::Uint8Array;

use super::Store;
use super::database::Durability;
use super::record::Record;
use crate::messages::StoreError;

impl Store {
    /// Changes a record; in the database, then here, then others hear of it if it is news.
    pub(super) async fn change<T>(
        &self,
        id: &BlobId,
        durability: Durability,
        change: impl FnOnce(Option<Record>) -> (Option<Record>, T),
    ) -> Result<T, StoreError> {
        let (mut before, mut after) = (None, None);
        let outcome = match &self.database {
            Some(database) => {
                let change = |bytes: Option<Vec<u8>>| {
                    before = bytes.as_deref().and_then(Record::decode);
                    let (record, outcome) = change(before.clone());
                    after = record;
                    (after.as_ref().map(Record::encode), outcome)
                };
                database.change(id, durability, change).await?
            }
            None => {
                let (record, outcome) = change(self.records.borrow().get(id).cloned());
                after = record;
                outcome
            }
        };
        let is_news = match (&before, &after) {
            (Some(before), Some(after)) => after.is_news_after(before),
            (before, after) => before.is_some() != after.is_some(),
        };
        self.note(id, after);
        if let Some(channel) = self.channel.as_ref().filter(|_| is_news) {
            let ids = postcard::to_allocvec(&[id].as_slice()).expect("ids encode");
            // Who does not hear of it reads it when it leads.
            let _ = channel.channel.post_message(&Uint8Array::from(ids.as_slice()));
        }
        Ok(outcome)
    }

    /// Reads what other tabs have written, for whoever begins to lead: of parts they tell nothing.
    ///
    /// # Errors
    /// When the storage refuses.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let Some(database) = &self.database else { return Ok(()) };
        loop {
            let before = self.notes.get();
            let all = database.all().await?;
            // What was changed meanwhile is newer.
            if self.notes.get() == before {
                let all: BTreeMap<BlobId, Record> = all.into_iter().filter_map(decode).collect();
                let gone: Vec<BlobId> =
                    self.records.borrow().keys().filter(|id| !all.contains_key(id)).copied().collect();
                gone.iter().for_each(|id| self.note(id, None));
                all.into_iter().for_each(|(id, record)| self.note(&id, Some(record)));
                return Ok(());
            }
        }
    }

    /// Reads a record that another tab has changed. Gives whether the blob is here now and was not, or the other way round; a
    /// part of it counts if it is gone.
    pub(super) async fn look_again(&self, id: &BlobId) -> bool {
        let Some(database) = &self.database else { return false };
        let Ok(record) = database.get(id).await else { return false };
        let (was_whole, was_there) = (self.is_whole(id), self.held_of(id).is_some());
        self.note(id, record.as_deref().and_then(Record::decode));
        self.is_whole(id) != was_whole || (was_there && self.held_of(id).is_none())
    }

    fn note(&self, id: &BlobId, record: Option<Record>) {
        self.notes.set(self.notes.get() + 1);
        let mut records = self.records.borrow_mut();
        let before = records.get(id).map(|record| record.file.clone());
        if before.is_some() && before != record.as_ref().map(|record| record.file.clone()) {
            // Those are of other files.
            self.parts.borrow_mut().remove(id);
            self.readings.borrow_mut().retain(|(other, _)| other != id);
        }
        match record {
            Some(record) => drop(records.insert(*id, record)),
            None => drop(records.remove(id)),
        }
    }
}

/// The record of a blob as the database has it; none that cannot be read.
pub(super) fn decode((id, bytes): (BlobId, Vec<u8>)) -> Option<(BlobId, Record)> {
    Some((id, Record::decode(&bytes)?))
}
