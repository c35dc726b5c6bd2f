//! What is known of blobs: which are in the media store, what refers to them, who asked for them to be kept.
//!
//! Says nothing of where their bytes are. A row is written after the bytes are durable and removed before they are, so
//! that a crash leaves bytes without a row at worst.

use chanterelle_core::base::{AuthorId, BlobId, EventId, Seconds};
use chanterelle_core::node::StorageError;
use futures::FutureExt as _;
use sqlx::{AssertSqlSafe, Row as _};

use super::keeping::Keeping;
use super::uploads::UploadId;
use super::{Storage, signed, unsigned};

/// A blob in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its id.
    pub id: BlobId,
    /// Bytes.
    pub size: u64,
    /// What it is, as a MIME type; `None` when it is nothing that is shown.
    pub kind: Option<String>,
}

/// A blob that events refer to and that is not in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub id: BlobId,
    /// Its size as an event says, bytes. Another event may say another.
    pub size: u64,
    /// An author who refers to it.
    pub author: AuthorId,
}

/// Who has something kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Who signed the request.
    Author(AuthorId),
    /// A client address, under a secret of this relay.
    Address([u8; 16]),
}

impl Owner {
    /// As it stands in the database.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Owner::Author(author) => [&[1], author.as_bytes().as_slice()].concat(),
            Owner::Address(address) => [&[0], address.as_slice()].concat(),
        }
    }

    /// `None` for what [`Owner::to_bytes`] does not give.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Owner> {
        match bytes.split_first()? {
            (1, author) => AuthorId::try_from(author).ok().map(Owner::Author),
            (0, address) => address.try_into().ok().map(Owner::Address),
            _ => None,
        }
    }
}

/// That an upload keeps a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// By which upload.
    pub upload: UploadId,
    /// Whose it was.
    pub owner: Owner,
    /// Until when.
    pub expires: Seconds,
}

/// What events refer to a blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// How many events do.
    pub events: u64,
    /// The size one of them says, bytes.
    pub size: Option<u64>,
}

/// Blobs in the store, and uploads that are none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of uploads that are no blobs yet, with what has not come of them, each [`super::LEAST`] at least.
    pub open: u64,
}

/// Ids as a list of literals.
fn hexadecimal(events: &[EventId]) -> String {
    events.iter().map(|id| format!("x'{id}'")).collect::<Vec<_>>().join(", ")
}

fn wanted(row: &sqlx::sqlite::SqliteRow) -> Option<Wanted> {
    Some(Wanted {
        id: BlobId::try_from(row.get::<&[u8], _>(0)).ok()?,
        size: unsigned(row.get(1)),
        author: AuthorId::try_from(row.get::<&[u8], _>(2)).ok()?,
    })
}

impl Storage {
    /// The blob, if it is in the store.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn blob(&self, id: &BlobId) -> Result<Option<Blob>, StorageError> {
        let row = sqlx::query("SELECT size, type FROM blobs WHERE id = ?")
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(row.map(|row| Blob { id: *id, size: unsigned(row.get(0)), kind: row.get(1) }))
    }

    /// Enters a blob whose bytes are durable, and with `pin` who wants it kept: the upload has come to its end then.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn add_blob(&self, blob: Blob, now: Seconds, pin: Option<Pin>) -> Result<(), StorageError> {
        let add = "INSERT INTO blobs (id, size, type, stored) VALUES (?, ?, ?, ?) \
                   ON CONFLICT (id) DO UPDATE SET loose = NULL, type = excluded.type";
        self.write("adding a blob", |connection| {
            async move {
                let id = blob.id.as_bytes().as_slice();
                sqlx::query(add)
                    .bind(id)
                    .bind(signed(blob.size))
                    .bind(&blob.kind)
                    .bind(signed(now.0))
                    .execute(&mut *connection)
                    .await?;
                let Some(pin) = pin else { return Ok(()) };
                let (upload, expires) = (pin.upload.0, signed(pin.expires.0));
                sqlx::query("INSERT OR REPLACE INTO pins (upload, blob, owner, expires) VALUES (?, ?, ?, ?)")
                    .bind(upload.as_slice())
                    .bind(id)
                    .bind(pin.owner.to_bytes())
                    .bind(expires)
                    .execute(&mut *connection)
                    .await?;
                sqlx::query("UPDATE uploads SET blob = ?, offset = length, expires = ? WHERE id = ?")
                    .bind(id)
                    .bind(expires)
                    .bind(upload.as_slice())
                    .execute(&mut *connection)
                    .await
                    .map(drop)
            }
            .boxed()
        })
        .await
    }

    /// Forgets a blob, whatever keeps it. Its pins go, too.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn drop_blob(&self, id: &BlobId) -> Result<(), StorageError> {
        let id = *id;
        self.write("dropping a blob", move |connection| {
            async move {
                for statement in ["DELETE FROM blobs WHERE id = ?", "DELETE FROM pins WHERE blob = ?"] {
                    sqlx::query(statement).bind(id.as_bytes().as_slice()).execute(&mut *connection).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// Every blob's id and size.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn all_blobs(&self) -> Result<Vec<(BlobId, u64)>, StorageError> {
        let rows = sqlx::query("SELECT id, size FROM blobs")
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        let blob = |row: &sqlx::sqlite::SqliteRow| {
            Some((BlobId::try_from(row.get::<&[u8], _>(0)).ok()?, unsigned(row.get(1))))
        };
        Ok(rows.iter().filter_map(blob).collect())
    }

    /// How many there are, and what uploads take beside them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn totals(&self) -> Result<Totals, StorageError> {
        let row = sqlx::query("SELECT blobs, bytes, open FROM blob_totals")
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(Totals { blobs: unsigned(row.get(0)), bytes: unsigned(row.get(1)), open: unsigned(row.get(2)) })
    }

    /// What refers to a blob.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn references(&self, id: &BlobId) -> Result<References, StorageError> {
        let row = sqlx::query("SELECT COUNT(*), MAX(size) FROM blob_refs WHERE blob = ?")
            .bind(id.as_bytes().as_slice())
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(References { events: unsigned(row.get(0)), size: row.get::<Option<i64>, _>(1).map(unsigned) })
    }

    /// Until when uploads keep a blob, each.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pins(&self, id: &BlobId, now: Seconds) -> Result<Vec<Seconds>, StorageError> {
        let rows = sqlx::query("SELECT expires FROM pins WHERE blob = ? AND expires > ? ORDER BY expires")
            .bind(id.as_bytes().as_slice())
            .bind(signed(now.0))
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(rows.iter().map(|row| Seconds(unsigned(row.get(0)))).collect())
    }

    /// Blobs that events refer to by `keeping`, that are not in the store and stand behind `after`, by id and size; at most
    /// `limit`. One that several events size differently comes with each size.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn wanted(
        &self,
        keeping: &Keeping,
        after: (BlobId, u64),
        limit: u32,
    ) -> Result<Vec<Wanted>, StorageError> {
        let query = format!(
            "SELECT blob, size, MIN(author) FROM blob_refs WHERE (blob, size) > (?, ?) AND {} \
             AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.id = blob_refs.blob) \
             GROUP BY blob, size ORDER BY blob, size LIMIT ?",
            keeping.0
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(after.0.as_bytes().as_slice())
            .bind(signed(after.1))
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(rows.iter().filter_map(wanted).collect())
    }

    /// The same of what certain events refer to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn wanted_by(
        &self,
        keeping: &Keeping,
        events: &[EventId],
    ) -> Result<Vec<Wanted>, StorageError> {
        let query = format!(
            "SELECT blob, size, MIN(author) FROM blob_refs WHERE event IN ({}) AND {} \
             AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.id = blob_refs.blob) GROUP BY blob, size",
            hexadecimal(events),
            keeping.0
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .persistent(false)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(rows.iter().filter_map(wanted).collect())
    }

    /// Of what certain events refer to, that which is in the store.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn stored_of(&self, events: &[EventId]) -> Result<Vec<BlobId>, StorageError> {
        let query = format!(
            "SELECT DISTINCT blob FROM blob_refs JOIN blobs ON blobs.id = blob WHERE event IN ({})",
            hexadecimal(events)
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .persistent(false)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(rows.iter().filter_map(|row| BlobId::try_from(row.get::<&[u8], _>(0)).ok()).collect())
    }

    /// What events of `author` say was made of a blob, whatever became of the post that it was made for, and what jobs made
    /// of it that no event tells of yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn made_of(&self, source: &BlobId, author: &AuthorId) -> Result<Vec<BlobId>, StorageError> {
        let query = "SELECT blob FROM blob_refs WHERE source = ?1 AND author = ?2 \
                     UNION SELECT blob FROM jobs WHERE source = ?1 AND blob IS NOT NULL";
        let rows = sqlx::query(query)
            .bind(source.as_bytes().as_slice())
            .bind(author.as_bytes().as_slice())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(rows.iter().filter_map(|row| BlobId::try_from(row.get::<&[u8], _>(0)).ok()).collect())
    }

    /// The bytes of the events that refer to a blob, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events_with(&self, blob: &BlobId, limit: u32) -> Result<Vec<Vec<u8>>, StorageError> {
        sqlx::query_scalar(
            "SELECT bytes FROM events WHERE id IN (SELECT event FROM blob_refs WHERE blob = ? LIMIT ?)",
        )
        .bind(blob.as_bytes().as_slice())
        .bind(limit)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.failed("reading", &error))
    }

    /// An author whose event refers to a blob of that size by `keeping`: the one that [`Storage::wanted`] names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn author_of(
        &self,
        keeping: &Keeping,
        id: &BlobId,
        size: u64,
    ) -> Result<Option<AuthorId>, StorageError> {
        let query =
            format!("SELECT MIN(author) FROM blob_refs WHERE blob = ? AND size = ? AND {}", keeping.0);
        let author: Option<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(query))
            .bind(id.as_bytes().as_slice())
            .bind(signed(size))
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(author.and_then(|author| AuthorId::try_from(author.as_slice()).ok()))
    }

    /// Bytes in the store that events of `author` refer to.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn bytes_of(&self, author: &AuthorId) -> Result<u64, StorageError> {
        let query = "SELECT COALESCE(SUM(size), 0) FROM blobs \
                     WHERE id IN (SELECT blob FROM blob_refs WHERE author = ?)";
        let bytes = sqlx::query_scalar(query)
            .bind(author.as_bytes().as_slice())
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(unsigned(bytes))
    }
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::AuthorId;

    use super::Owner;

    #[test]
    fn owners_come_back_from_their_bytes() {
        for owner in [Owner::Author(AuthorId([7; 32])), Owner::Address([9; 16])] {
            assert_eq!(Owner::from_bytes(&owner.to_bytes()), Some(owner));
        }
        for bytes in [&[][..], &[2], &[1; 32], &[0; 16]] {
            assert_eq!(Owner::from_bytes(bytes), None);
        }
    }
}
