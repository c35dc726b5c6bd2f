//! Which events refer to which blobs: written in the transaction that stores the events, so that the two never differ.
//!
//! Looks into an event for three things alone, its attachments, what they were made of, and what it withdraws; whether the
//! event is valid was decided before it came here. A tombstone counts for events of its own author, whichever of the two
//! comes first.

use chanterelle_core::base::{BlobId, EventId};
use chanterelle_core::event::{BlobRef, Kind};
use chanterelle_core::store::{Rel, Row};
use serde::Deserialize;
use serde_bytes::{ByteArray, Bytes};
use sqlx::{Connection as _, QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Storage, signed};

/// Set in `meta` once the events from before this table are in it.
const FILLED: &str = "blob_refs";

/// Events looked through in one transaction when the table is filled.
const PORTION: i64 = 1_024;

/// The key `blobs` as it stands in an event, with its length: what does not hold it has no attachments.
const KEY: &[u8] = b"eblobs";

/// Rows in one statement.
const INSERT: usize = 64;

/// The part of an event that is read here.
#[derive(Deserialize)]
struct Attachments {
    blobs: Vec<BlobRef>,
}

/// The part of a rendition that is read here.
#[derive(Deserialize)]
struct Rendition {
    body: Made,
}

/// Of what it was made.
#[derive(Deserialize)]
struct Made {
    source: BlobId,
}

/// One attachment of one event.
struct Found<'a> {
    row: &'a Row,
    blob: BlobRef,
    renders: Option<EventId>,
    source: Option<BlobId>,
}

#[derive(Deserialize)]
struct Envelope<'a>(#[serde(borrow)] &'a Bytes, #[expect(dead_code, reason = "its place")] ByteArray<64>);

/// The attachments in the bytes of a stored event; none when it cannot be read, for it was admitted by others.
fn attachments(bytes: &[u8]) -> Vec<BlobRef> {
    // An empty list follows the key in nearly all events.
    let has_some = bytes.windows(KEY.len() + 1).any(|part| part.starts_with(KEY) && part[KEY.len()] != 0x80);
    if !has_some {
        return Vec::new();
    }
    let read = |bytes| {
        let Envelope(unsigned, _) = serde_ipld_dagcbor::from_slice(bytes).ok()?;
        serde_ipld_dagcbor::from_slice::<Attachments>(unsigned).ok()
    };
    read(bytes).map_or(Vec::new(), |Attachments { blobs }| blobs)
}

/// Of which blob an event says that it holds another form.
fn source(row: &Row, bytes: &[u8]) -> Option<BlobId> {
    if row.kind != Kind::RENDITION {
        return None;
    }
    let Envelope(unsigned, _) = serde_ipld_dagcbor::from_slice(bytes).ok()?;
    serde_ipld_dagcbor::from_slice::<Rendition>(unsigned).ok().map(|rendition| rendition.body.source)
}

/// Writes what the new events of a batch refer to, and lets go what their tombstones withdraw.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    new: &[(&Row, &[u8])],
) -> Result<(), sqlx::Error> {
    // Tombstones first: one may withdraw an event of the same batch.
    for (row, _) in new.iter().filter(|(row, _)| row.kind == Kind::DELETE) {
        for (_, target) in row.refs.iter().filter(|(rel, _)| *rel == Rel::Deletes) {
            withdraw(connection, target, row).await?;
        }
    }
    let mut found = Vec::new();
    for &(row, bytes) in new {
        let renders = row.refs.iter().find(|(rel, _)| *rel == Rel::Renders).map(|(_, post)| *post);
        let source = source(row, bytes);
        found.extend(attachments(bytes).into_iter().map(|blob| Found { row, blob, renders, source }));
    }
    for refs in found.chunks(INSERT) {
        insert(connection, refs).await?;
    }
    Ok(())
}

async fn withdraw(
    connection: &mut SqliteConnection,
    target: &EventId,
    tombstone: &Row,
) -> Result<(), sqlx::Error> {
    let statements = [
        "INSERT INTO tombstones (target, author) VALUES (?, ?) ON CONFLICT DO NOTHING",
        "DELETE FROM blob_refs WHERE event = ? AND author = ?",
    ];
    for statement in statements {
        sqlx::query(statement)
            .bind(target.as_bytes().as_slice())
            .bind(tombstone.author.as_bytes().as_slice())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, refs: &[Found<'_>]) -> Result<(), sqlx::Error> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO blob_refs (blob, event, board, author, size, renders, source) SELECT * FROM (",
    );
    query.push_values(refs, |mut values, Found { row, blob, renders, source }| {
        values
            .push_bind(blob.id.as_bytes().as_slice())
            .push_bind(row.id.as_bytes().as_slice())
            .push_bind(row.board.as_bytes().as_slice())
            .push_bind(row.author.as_bytes().as_slice())
            .push_bind(signed(blob.size))
            .push_bind(renders.as_ref().map(|post| post.as_bytes().as_slice()))
            .push_bind(source.as_ref().map(|blob| blob.as_bytes().as_slice()));
    });
    query.push(
        ") AS new WHERE NOT EXISTS (SELECT 1 FROM tombstones \
         WHERE tombstones.target = new.column2 AND tombstones.author = new.column4) ON CONFLICT DO NOTHING",
    );
    query.build().persistent(refs.len() == 1 || refs.len() == INSERT).execute(connection).await.map(drop)
}

impl Storage {
    /// Enters what events refer to that were stored before there was such a table. Does nothing the second time; what a
    /// crash interrupts begins anew.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub(super) async fn fill_refs(&self) -> Result<(), sqlx::Error> {
        let filled: Option<Vec<u8>> = sqlx::query_scalar("SELECT value FROM meta WHERE key = ?")
            .bind(FILLED)
            .fetch_optional(&self.writer)
            .await?;
        if filled.is_some() {
            return Ok(());
        }
        let mut writer = self.writer.acquire().await?;
        let mut position = 0_i64;
        loop {
            let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
            let found =
                sqlx::query("SELECT rowid, row, bytes FROM events WHERE rowid > ? ORDER BY rowid LIMIT ?")
                    .bind(position)
                    .bind(PORTION)
                    .fetch_all(&mut *transaction)
                    .await?;
            let Some(last) = found.last() else { break };
            position = last.get(0);
            let mut rows = Vec::with_capacity(found.len());
            for found in &found {
                // A damaged row is found by the restore, which says so.
                let row = Row::unpack_all(found.get(1)).unwrap_or_default();
                rows.extend(row.into_iter().map(|row| (row, found.get::<&[u8], _>(2))));
            }
            let rows: Vec<(&Row, &[u8])> = rows.iter().map(|(row, bytes)| (row, *bytes)).collect();
            write(&mut transaction, &rows).await?;
            transaction.commit().await?;
        }
        sqlx::query("INSERT INTO meta (key, value) VALUES (?, x'01') ON CONFLICT DO NOTHING")
            .bind(FILLED)
            .execute(&mut *writer)
            .await
            .map(drop)
    }
}
