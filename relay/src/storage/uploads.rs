//! What is known of uploads (tus): how far each has come, whose it is, and until when it is kept.
//!
//! A row says what is certain: its offset is written after the bytes are on the disk. The bytes are in `media`.

use std::fmt;
use std::str::FromStr;

use chanterelle_core::base::{BlobId, Seconds};
use chanterelle_core::node::StorageError;
use data_encoding::HEXLOWER;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::blobs::Owner;
use super::{Storage, signed, unsigned};

/// Names an upload: 16 random bytes, shown as lower-case hexadecimal. Whoever knows it may go on with the upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UploadId(pub [u8; 16]);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Why a text names no upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload is named by 32 hexadecimal digits")]
pub struct UploadIdError;

impl FromStr for UploadId {
    type Err = UploadIdError;

    fn from_str(text: &str) -> Result<Self, UploadIdError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| UploadIdError)?;
        bytes.try_into().map(UploadId).map_err(|_| UploadIdError)
    }
}

/// What an upload becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A blob.
    Whole,
    /// A part, to be joined to others.
    Partial,
    /// A blob, of the parts that `Upload-Concat` named so.
    Final(String),
}

/// An upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// Whose it is.
    pub owner: Owner,
    /// Bytes in all, at least 1.
    pub length: u64,
    /// Bytes that are on the disk.
    pub offset: u64,
    /// `Upload-Metadata`, as the client gave it.
    pub metadata: Option<String>,
    /// What it becomes.
    pub part: Part,
    /// Until when it is kept.
    pub expires: Seconds,
    /// What it has become.
    pub blob: Option<BlobId>,
    /// Whether it has expired, and its bytes are gone.
    pub ended: bool,
}

/// What an upload counts at least, bytes: its row and its metadata take room, too. Stands in the triggers as well.
pub const LEAST: u64 = 64 * 1024;

const COLUMNS: &str = "id, owner, length, offset, metadata, part, parts, expires, blob, ended";

impl Storage {
    /// Bytes that count for an owner: of files that uploads of this owner keep, and of uploads that are no files yet, each with
    /// its whole length. Each upload counts [`LEAST`] at least, also one of several that keep one file.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn bytes_owned(&self, owner: &Owner, now: Seconds) -> Result<u64, StorageError> {
        let query = format!(
            "SELECT (SELECT COUNT(*) * {LEAST} FROM pins WHERE owner = ?1 AND expires > ?2) \
             + (SELECT COALESCE(SUM(max(size - {LEAST}, 0)), 0) FROM blobs \
                WHERE id IN (SELECT blob FROM pins WHERE owner = ?1 AND expires > ?2)) \
             + (SELECT COALESCE(SUM(max(length, {LEAST})), 0) FROM uploads \
                WHERE owner = ?1 AND blob IS NULL AND ended IS NULL)"
        );
        let bytes: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .bind(owner.to_bytes())
            .bind(signed(now.0))
            .fetch_one(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(unsigned(bytes))
    }

    /// Enters an upload. Whether there is room for it is known to the caller.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn create_upload(&self, upload: &Upload) -> Result<(), StorageError> {
        let (part, parts) = match &upload.part {
            Part::Whole => (0, None),
            Part::Partial => (1, None),
            Part::Final(parts) => (2, Some(parts)),
        };
        sqlx::query(
            "INSERT INTO uploads (id, owner, length, offset, metadata, part, parts, expires) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(upload.id.0.as_slice())
        .bind(upload.owner.to_bytes())
        .bind(signed(upload.length))
        .bind(signed(upload.offset))
        .bind(&upload.metadata)
        .bind(part)
        .bind(parts)
        .bind(signed(upload.expires.0))
        .execute(&self.writer)
        .await
        .map(drop)
        .map_err(|error| self.failed("creating an upload", &error))
    }

    /// An upload that is not forgotten.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn upload(&self, id: &UploadId) -> Result<Option<Upload>, StorageError> {
        let query = format!("SELECT {COLUMNS} FROM uploads WHERE id = ?");
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(id.0.as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(row.as_ref().and_then(upload))
    }

    /// Notes that the first `offset` bytes are on the disk, and until when the upload is kept. Says whether there is such an
    /// upload that has not ended.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn advance_upload(
        &self,
        id: &UploadId,
        offset: u64,
        expires: Seconds,
    ) -> Result<bool, StorageError> {
        let done = sqlx::query("UPDATE uploads SET offset = ?, expires = ? WHERE id = ? AND ended IS NULL")
            .bind(signed(offset))
            .bind(signed(expires.0))
            .bind(id.0.as_slice())
            .execute(&self.writer)
            .await
            .map_err(|error| self.failed("advancing an upload", &error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets an upload and lets go of what it kept.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn drop_upload(&self, id: &UploadId) -> Result<(), StorageError> {
        // The pin first: an upload that is there can be dropped again.
        for statement in ["DELETE FROM pins WHERE upload = ?", "DELETE FROM uploads WHERE id = ?"] {
            sqlx::query(statement)
                .bind(id.0.as_slice())
                .execute(&self.writer)
                .await
                .map_err(|error| self.failed("dropping an upload", &error))?;
        }
        Ok(())
    }

    /// The uploads that have expired and are not marked as ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn expired_uploads(&self, now: Seconds) -> Result<Vec<UploadId>, StorageError> {
        let rows = sqlx::query("SELECT id FROM uploads WHERE expires <= ? AND ended IS NULL")
            .bind(signed(now.0))
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(rows.iter().filter_map(|row| row.get::<&[u8], _>(0).try_into().ok().map(UploadId)).collect())
    }

    /// Marks an upload that has expired as ended, and says whether it had.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn end_upload(&self, id: &UploadId, now: Seconds) -> Result<bool, StorageError> {
        let end = "UPDATE uploads SET ended = ?1, metadata = NULL, parts = iif(part = 2, '', NULL) \
                   WHERE id = ?2 AND expires <= ?1 AND ended IS NULL";
        let done = sqlx::query(end)
            .bind(signed(now.0))
            .bind(id.0.as_slice())
            .execute(&self.writer)
            .await
            .map_err(|error| self.failed("ending an upload", &error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets uploads that have ended and had expired by `before`.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn forget_uploads(&self, before: Seconds) -> Result<(), StorageError> {
        let failed = |error| self.failed("forgetting uploads", &error);
        let due: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM uploads WHERE expires <= ? AND ended IS NOT NULL")
                .bind(signed(before.0))
                .fetch_one(&self.readers)
                .await
                .map_err(failed)?;
        // The writer has events to store.
        if due > 0 {
            sqlx::query("DELETE FROM uploads WHERE expires <= ? AND ended IS NOT NULL")
                .bind(signed(before.0))
                .execute(&self.writer)
                .await
                .map_err(failed)?;
        }
        Ok(())
    }

    /// The uploads whose bytes are on this disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn uploads_under_way(&self) -> Result<Vec<UploadId>, StorageError> {
        let rows = sqlx::query("SELECT id FROM uploads WHERE blob IS NULL AND ended IS NULL")
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.failed("reading", &error))?;
        Ok(rows.iter().filter_map(|row| row.get::<&[u8], _>(0).try_into().ok().map(UploadId)).collect())
    }
}

/// `None` for a row that this program did not write.
fn upload(row: &SqliteRow) -> Option<Upload> {
    Some(Upload {
        id: UploadId(row.get::<&[u8], _>(0).try_into().ok()?),
        owner: Owner::from_bytes(row.get(1))?,
        length: unsigned(row.get(2)),
        offset: unsigned(row.get(3)),
        metadata: row.get(4),
        part: match row.get::<i64, _>(5) {
            0 => Part::Whole,
            1 => Part::Partial,
            _ => Part::Final(row.get::<Option<String>, _>(6)?),
        },
        expires: Seconds(unsigned(row.get(7))),
        blob: row.get::<Option<&[u8]>, _>(8).and_then(|id| BlobId::try_from(id).ok()),
        ended: row.get::<Option<i64>, _>(9).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::UploadId;

    #[test]
    fn an_upload_has_one_name() {
        let id = UploadId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "ab", &"AB".repeat(16), &"ab".repeat(17), &"zz".repeat(16)] {
            assert!(text.parse::<UploadId>().is_err(), "{text}");
        }
    }
}
