//! What keeps a blob, and what becomes of one that nothing keeps.
//!
//! A row goes in the statement that asks whether something keeps it, so that a blob stays that somebody wants at the last
//! moment.

use chanterelle_core::base::{AuthorId, BlobId, BoardId, Seconds};
use chanterelle_core::node::StorageError;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Storage, signed};

/// Which references keep a blob: a condition on `blob_refs`. What is another form of a post's attachment keeps nothing once
/// the post is withdrawn by its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping(pub(super) String);

impl Keeping {
    /// Those on `boards` (`None` for all) and those by `authors`.
    #[must_use]
    pub fn new<'a>(boards: Option<&[BoardId]>, authors: impl IntoIterator<Item = &'a AuthorId>) -> Keeping {
        let Some(boards) = boards else { return Keeping(format!("({STANDS})")) };
        let list =
            |ids: Vec<String>| ids.into_iter().map(|id| format!("x'{id}'")).collect::<Vec<_>>().join(", ");
        let boards = list(boards.iter().map(ToString::to_string).collect());
        let authors = list(authors.into_iter().map(ToString::to_string).collect());
        Keeping(format!("((blob_refs.board IN ({boards}) OR blob_refs.author IN ({authors})) AND {STANDS})"))
    }
}

/// That the post was not withdrawn of which an event holds another form.
const STANDS: &str = "(blob_refs.renders IS NULL OR NOT EXISTS (SELECT 1 FROM tombstones JOIN events \
                      ON events.id = tombstones.target AND events.author = tombstones.author \
                      WHERE tombstones.target = blob_refs.renders))";

impl Storage {
    /// Forgets a blob that nothing keeps now, and says whether there was such a one. With `before` only one that nothing has
    /// kept since then.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn drop_unkept(
        &self,
        id: &BlobId,
        keeping: &Keeping,
        now: Seconds,
        before: Option<Seconds>,
    ) -> Result<bool, StorageError> {
        let statement = format!(
            "DELETE FROM blobs WHERE id = ?1 AND (?2 IS NULL OR loose <= ?2) AND NOT {}",
            kept(keeping, "?3")
        );
        let done = sqlx::query(AssertSqlSafe(statement))
            .bind(id.as_bytes().as_slice())
            .bind(before.map(|before| signed(before.0)))
            .bind(signed(now.0))
            .execute(&self.writer)
            .await
            .map_err(|error| self.failed("dropping a blob", &error))?;
        Ok(done.rows_affected() > 0)
    }

    /// Notes which blobs nothing keeps any more, and which something keeps again. Those that nothing has kept since
    /// `before`.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn loosen(
        &self,
        keeping: &Keeping,
        now: Seconds,
        before: Seconds,
    ) -> Result<Vec<BlobId>, StorageError> {
        let failed = |error| self.failed("looking for loose blobs", &error);
        sqlx::query("DELETE FROM pins WHERE expires <= ?")
            .bind(signed(now.0))
            .execute(&self.writer)
            .await
            .map_err(failed)?;
        let kept = kept(keeping, "?1");
        // Sought among the readers, because the writer has events to store.
        let changed = format!(
            "SELECT id, loose FROM blobs WHERE (loose IS NULL AND NOT {kept}) OR (loose IS NOT NULL AND {kept})"
        );
        let changed = sqlx::query(AssertSqlSafe(changed))
            .bind(signed(now.0))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        for row in changed {
            let loose = if row.get::<Option<i64>, _>(1).is_none() { Some(signed(now.0)) } else { None };
            sqlx::query("UPDATE blobs SET loose = ? WHERE id = ?")
                .bind(loose)
                .bind(row.get::<&[u8], _>(0))
                .execute(&self.writer)
                .await
                .map_err(failed)?;
        }
        let due = sqlx::query("SELECT id FROM blobs WHERE loose <= ?")
            .bind(signed(before.0))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        Ok(due.iter().filter_map(|row| BlobId::try_from(row.get::<&[u8], _>(0)).ok()).collect())
    }
}

/// The condition that something keeps the blob of a row of `blobs`; `now` names the parameter that holds the time.
fn kept(keeping: &Keeping, now: &str) -> String {
    format!(
        "(EXISTS (SELECT 1 FROM blob_refs WHERE blob_refs.blob = blobs.id AND {}) \
         OR EXISTS (SELECT 1 FROM pins WHERE pins.blob = blobs.id AND pins.expires > {now}))",
        keeping.0
    )
}

#[cfg(test)]
mod tests {
    use chanterelle_core::base::{AuthorId, BoardId};

    use super::Keeping;

    #[test]
    fn a_policy_is_a_condition() {
        assert!(!Keeping::new(None, []).0.contains("board"));
        let none = "(blob_refs.board IN () OR blob_refs.author IN ())";
        let found = Keeping::new(Some(&[]), []).0;
        assert!(found.contains(none), "SQLite takes an empty list as holding nothing");
        let some = Keeping::new(Some(&[BoardId([1; 32])]), [&AuthorId([2; 32])]).0;
        assert!(
            some.contains(&format!("x'{}'", "01".repeat(32))) && some.contains(&"02".repeat(32)),
            "{some}"
        );
    }
}
