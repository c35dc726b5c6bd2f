-- Blobs that lie in the media store, whole and durable.
CREATE TABLE blobs (
    id BLOB PRIMARY KEY NOT NULL,
    size INTEGER NOT NULL,
    -- What the first bytes say it is, as a MIME type; absent when it is nothing that is shown.
    type TEXT,
    stored INTEGER NOT NULL,
    -- Since when nothing keeps it; absent while something does.
    loose INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX blobs_loose ON blobs (loose) WHERE loose IS NOT NULL;

-- How many there are and what they take, and beside them what uploads take that are no blobs yet, in one row, so that a
-- quota costs no walk through the tables.
CREATE TABLE blob_totals (
    one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
    blobs INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    open INTEGER NOT NULL
) STRICT;

INSERT INTO blob_totals (one, blobs, bytes, open) VALUES (1, 0, 0, 0);

CREATE TRIGGER blob_added AFTER INSERT ON blobs BEGIN
    UPDATE blob_totals SET blobs = blobs + 1, bytes = bytes + NEW.size;
END;

CREATE TRIGGER blob_removed AFTER DELETE ON blobs BEGIN
    UPDATE blob_totals SET blobs = blobs - 1, bytes = bytes - OLD.size;
END;

-- Which events refer to which blobs, unless their author withdrew them. `size` is the event's word. `renders` is the post
-- of which the event holds another form: it goes with that post. `source` is the blob of which it is a form, by the
-- event's word.
CREATE TABLE blob_refs (
    blob BLOB NOT NULL,
    event BLOB NOT NULL,
    board BLOB NOT NULL,
    author BLOB NOT NULL,
    size INTEGER NOT NULL,
    renders BLOB,
    source BLOB,
    PRIMARY KEY (blob, event)
) STRICT, WITHOUT ROWID;

CREATE INDEX blob_refs_event ON blob_refs (event);
CREATE INDEX blob_refs_author ON blob_refs (author);
CREATE INDEX blob_refs_source ON blob_refs (source, author) WHERE source IS NOT NULL;

-- What authors withdrew, known here or not yet.
CREATE TABLE tombstones (
    target BLOB NOT NULL,
    author BLOB NOT NULL,
    PRIMARY KEY (target, author)
) STRICT, WITHOUT ROWID;

-- Blobs kept because somebody uploaded them. `owner` is 1 and an author, or 0 and a client address under a secret.
CREATE TABLE pins (
    upload BLOB PRIMARY KEY NOT NULL,
    blob BLOB NOT NULL,
    owner BLOB NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pins_blob ON pins (blob);
CREATE INDEX pins_owner ON pins (owner, expires, blob);

-- Uploads. The first `offset` bytes are on the disk. `part` is 1 for what will be joined to others, 2 for the whole of
-- such parts, else 0; `parts` names them as the client did. `blob` is there once the upload is in the store, `ended` once
-- it has expired; then what the client said of it is gone.
CREATE TABLE uploads (
    id BLOB PRIMARY KEY NOT NULL,
    owner BLOB NOT NULL,
    length INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    metadata TEXT,
    part INTEGER NOT NULL,
    parts TEXT,
    expires INTEGER NOT NULL,
    blob BLOB,
    ended INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_open ON uploads (owner, length) WHERE blob IS NULL AND ended IS NULL;
CREATE INDEX uploads_expires ON uploads (expires);

-- An upload counts 64 KiB at least, because its row and its metadata take room, too.
CREATE TRIGGER upload_begun AFTER INSERT ON uploads WHEN NEW.blob IS NULL AND NEW.ended IS NULL BEGIN
    UPDATE blob_totals SET open = open + max(NEW.length, 65536);
END;

CREATE TRIGGER upload_over AFTER UPDATE OF blob, ended ON uploads
WHEN OLD.blob IS NULL AND OLD.ended IS NULL AND (NEW.blob IS NOT NULL OR NEW.ended IS NOT NULL) BEGIN
    UPDATE blob_totals SET open = open - max(OLD.length, 65536);
END;

CREATE TRIGGER upload_removed AFTER DELETE ON uploads WHEN OLD.blob IS NULL AND OLD.ended IS NULL BEGIN
    UPDATE blob_totals SET open = open - max(OLD.length, 65536);
END;
