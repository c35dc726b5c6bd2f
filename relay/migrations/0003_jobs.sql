-- What is to be made of stored files, and what became of it. One row for each file and profile, however many posts have
-- the file. `lane` is 0 for what takes seconds and 1 for what takes minutes; `turn` is when it is the job's turn among
-- those of its lane, so that a thread with many files does not keep the others waiting. `not_before` is in milliseconds
-- since 1970.
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY NOT NULL,
    source BLOB NOT NULL,
    profile TEXT NOT NULL,
    lane INTEGER NOT NULL,
    thread BLOB NOT NULL,
    turn INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'unneeded', 'failed', 'unavailable')),
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    blob BLOB,
    size INTEGER,
    type TEXT,
    width INTEGER,
    height INTEGER,
    duration INTEGER,
    UNIQUE (source, profile),
    CHECK (state <> 'done' OR (blob IS NOT NULL AND size IS NOT NULL AND type IS NOT NULL))
) STRICT;

CREATE INDEX jobs_by_turn ON jobs (state, lane, turn, number);
CREATE INDEX jobs_by_thread ON jobs (thread, lane, turn) WHERE state IN ('queued', 'running');

-- The posts that have the file. Each is told of the rendition once it is done, by an event.
CREATE TABLE job_places (
    job INTEGER NOT NULL REFERENCES jobs (number) ON DELETE CASCADE,
    post BLOB NOT NULL,
    board BLOB NOT NULL,
    thread BLOB NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, post)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_places_untold ON job_places (job) WHERE told = 0;
