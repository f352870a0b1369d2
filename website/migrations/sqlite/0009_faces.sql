-- Faces apart from the rows they belong to, each in a slot that never moves. A slot is added behind the last one, or
-- overwritten by something of the very same size, and never deleted: SQLite then writes where the face stands and copies
-- it nowhere, so that erasing it there erases it. A free slot (used = 0) holds zeros and waits for a face of its length.
CREATE TABLE faces (
    slot INTEGER PRIMARY KEY,
    used INTEGER NOT NULL CHECK (used IN (0, 1)),
    face BLOB NOT NULL
) STRICT;
CREATE INDEX faces_free ON faces (length(face)) WHERE used = 0;

-- Waiting faces come behind all customers'.
INSERT INTO faces (slot, used, face)
SELECT rowid, 1, embedding FROM customers WHERE embedding IS NOT NULL ORDER BY rowid;
INSERT INTO faces (slot, used, face)
SELECT (SELECT COALESCE(MAX(rowid), 0) FROM customers) + rowid, 1, embedding FROM review_queue ORDER BY rowid;

-- A live customer, or the nameless tombstone of one.
CREATE TABLE customers_now (
    location TEXT NOT NULL REFERENCES locations (id),
    face_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'removed')),
    name TEXT NOT NULL,
    flag TEXT NOT NULL CHECK (flag IN ('none', 'green', 'amber', 'red')),
    space_id TEXT REFERENCES spaces (id),
    face_slot INTEGER UNIQUE REFERENCES faces (slot),
    row_hash BLOB CHECK (length(row_hash) = 16),
    points INTEGER NOT NULL,
    visits INTEGER NOT NULL,
    last_seen_at INTEGER,
    duplicate_of TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    removed_at INTEGER,
    merged_into TEXT,
    PRIMARY KEY (location, face_id),
    CHECK (state <> 'live' OR (space_id IS NOT NULL AND face_slot IS NOT NULL AND row_hash IS NOT NULL
        AND removed_at IS NULL AND merged_into IS NULL)),
    CHECK (state <> 'removed' OR (space_id IS NULL AND face_slot IS NULL AND row_hash IS NULL AND name = ''
        AND flag = 'none' AND points = 0 AND visits = 0 AND last_seen_at IS NULL AND duplicate_of IS NULL
        AND removed_at IS NOT NULL))
) STRICT;
INSERT INTO customers_now (location, face_id, seq, state, name, flag, space_id, face_slot, row_hash, points, visits,
    last_seen_at, duplicate_of, created_at, changed_at, removed_at, merged_into)
SELECT location, face_id, seq, state, name, flag, space_id, CASE WHEN embedding IS NOT NULL THEN rowid END, row_hash,
    points, visits, last_seen_at, duplicate_of, created_at, changed_at, removed_at, merged_into
FROM customers ORDER BY rowid;

-- New faces that wait for a manager; on no edge until accepted.
CREATE TABLE review_queue_now (
    location TEXT NOT NULL REFERENCES locations (id),
    face_id TEXT NOT NULL,
    edge TEXT NOT NULL REFERENCES edges (id),
    space_id TEXT NOT NULL REFERENCES spaces (id),
    face_slot INTEGER NOT NULL UNIQUE REFERENCES faces (slot),
    seen_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (location, face_id)
) STRICT;
INSERT INTO review_queue_now (location, face_id, edge, space_id, face_slot, seen_at, received_at)
SELECT location, face_id, edge, space_id, (SELECT COALESCE(MAX(rowid), 0) FROM customers) + rowid, seen_at, received_at
FROM review_queue ORDER BY rowid;

DROP TABLE customers;
ALTER TABLE customers_now RENAME TO customers;
CREATE UNIQUE INDEX customers_by_seq ON customers (location, seq);
CREATE INDEX customers_tombstones ON customers (location, removed_at) WHERE state = 'removed';
CREATE INDEX customers_duplicates ON customers (location, duplicate_of) WHERE duplicate_of IS NOT NULL;
CREATE INDEX customers_hashes ON customers (location, face_id, seq, row_hash) WHERE state = 'live';
DROP TABLE review_queue;
ALTER TABLE review_queue_now RENAME TO review_queue;
