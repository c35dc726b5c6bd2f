-- Events as they are sent, each with the packed row of the node's index. `row` stands before `bytes`, so that a start,
-- which reads every row, passes over the pages of long bodies.
CREATE TABLE events (
    id BLOB PRIMARY KEY NOT NULL,
    board BLOB NOT NULL,
    thread BLOB,
    author BLOB NOT NULL,
    kind INTEGER NOT NULL,
    time INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    row BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- What the relay remembers beside events.
CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
