-- Conventions: every number, moment and truth value is an INTEGER (moments in milliseconds since 1970, UTC);
-- unsigned 64-bit values are stored bit for bit as signed ones.

-- One row: which signing key this database belongs to.
CREATE TABLE site (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    public_key BLOB NOT NULL CHECK (length(public_key) = 32),
    created_at INTEGER NOT NULL
) STRICT;

-- The spaces that embeddings live in, as edges registered them; thresholds in ten-thousandths of a cosine.
CREATE TABLE spaces (
    id TEXT NOT NULL PRIMARY KEY,
    dimension INTEGER NOT NULL,
    match_at INTEGER NOT NULL,
    new_below INTEGER NOT NULL,
    registered_at INTEGER NOT NULL
) STRICT;

-- A location with its counters: seq, count, digest and last_removal change in the transaction that changes a customer.
-- published_seq and published_head (the issued_at of a head) are what the broker has acknowledged in publish_round
-- (a new round publishes everything again),
-- announced_seq what people's mirror has been told once.
CREATE TABLE locations (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    enrol TEXT NOT NULL CHECK (enrol IN ('auto', 'approve', 'off')),
    names_in_view INTEGER NOT NULL CHECK (names_in_view IN (0, 1)),
    lease_s INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    live INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 16),
    digest_key BLOB NOT NULL CHECK (length(digest_key) = 32),
    last_removal INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    publish_round INTEGER NOT NULL,
    published_seq INTEGER NOT NULL,
    published_head INTEGER NOT NULL,
    announced_seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- A live customer, or the nameless tombstone of one.
CREATE TABLE customers (
    location TEXT NOT NULL REFERENCES locations (id),
    face_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'removed')),
    name TEXT NOT NULL,
    flag TEXT NOT NULL CHECK (flag IN ('none', 'green', 'amber', 'red')),
    space_id TEXT REFERENCES spaces (id),
    embedding BLOB,
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
    CHECK (state <> 'live' OR (space_id IS NOT NULL AND embedding IS NOT NULL AND row_hash IS NOT NULL
        AND removed_at IS NULL AND merged_into IS NULL)),
    CHECK (state <> 'removed' OR (space_id IS NULL AND embedding IS NULL AND row_hash IS NULL AND name = ''
        AND flag = 'none' AND points = 0 AND visits = 0 AND last_seen_at IS NULL AND duplicate_of IS NULL
        AND removed_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX customers_by_seq ON customers (location, seq);

-- Which customer a merged one turned out to be; outlives the tombstone. Never points at a merged one.
CREATE TABLE merges (
    location TEXT NOT NULL REFERENCES locations (id),
    loser TEXT NOT NULL,
    winner TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (location, loser)
) STRICT;
CREATE INDEX merges_by_winner ON merges (location, winner);

-- What each seq of a location was, without names or content.
CREATE TABLE change_log (
    location TEXT NOT NULL REFERENCES locations (id),
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    face_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (location, seq)
) STRICT;

-- Edges; public_key, token_hash, space_id and joined_at are there once it has joined.
CREATE TABLE edges (
    id TEXT NOT NULL PRIMARY KEY,
    location TEXT NOT NULL REFERENCES locations (id),
    name TEXT NOT NULL,
    place TEXT NOT NULL,
    public_key BLOB CHECK (length(public_key) = 32),
    token_hash BLOB CHECK (length(token_hash) = 32),
    space_id TEXT REFERENCES spaces (id),
    start_count INTEGER NOT NULL,
    start_nonce INTEGER NOT NULL,
    alarm TEXT NOT NULL,
    online INTEGER NOT NULL CHECK (online IN (0, 1)),
    session INTEGER NOT NULL,
    last_seen_at INTEGER,
    clock_offset_ms INTEGER,
    created_at INTEGER NOT NULL,
    joined_at INTEGER,
    revoked_at INTEGER,
    UNIQUE (location, name),
    CHECK ((joined_at IS NULL) = (public_key IS NULL)),
    CHECK ((joined_at IS NULL) = (token_hash IS NULL)),
    CHECK ((joined_at IS NULL) = (space_id IS NULL))
) STRICT;

-- A code waits for the edge that brings it; used or expired ones are deleted.
CREATE TABLE join_codes (
    edge TEXT NOT NULL PRIMARY KEY REFERENCES edges (id),
    hash BLOB NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
) STRICT;

-- Every start an edge has reported, so that a late report of an earlier one is not taken for an old image.
CREATE TABLE edge_starts (
    edge TEXT NOT NULL REFERENCES edges (id),
    nonce INTEGER NOT NULL,
    start_count INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (edge, nonce)
) STRICT;

-- The newest report of an edge's current start.
CREATE TABLE edge_reports (
    edge TEXT NOT NULL PRIMARY KEY REFERENCES edges (id),
    epoch INTEGER NOT NULL,
    applied_seq INTEGER NOT NULL,
    digest BLOB NOT NULL CHECK (length(digest) = 16),
    live INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('filling', 'verified', 'differs', 'expired')),
    reported_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    queued INTEGER NOT NULL,
    refused INTEGER NOT NULL
) STRICT;

-- When an edge was first known to hold a seq; a row for each report that moved it.
CREATE TABLE edge_progress (
    edge TEXT NOT NULL REFERENCES edges (id),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (edge, epoch, seq)
) STRICT;

-- An edge's proof that it removed a face at exactly this (epoch, seq).
CREATE TABLE receipts (
    edge TEXT NOT NULL REFERENCES edges (id),
    face_id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    removed_at INTEGER NOT NULL,
    probe TEXT NOT NULL CHECK (probe IN ('gone', 'never_held', 'still_found')),
    stored_at INTEGER NOT NULL,
    PRIMARY KEY (edge, face_id, epoch, seq)
) STRICT;

-- Every visit once.
CREATE TABLE visits (
    id INTEGER PRIMARY KEY,
    edge TEXT NOT NULL REFERENCES edges (id),
    stream INTEGER NOT NULL,
    n INTEGER NOT NULL,
    location TEXT NOT NULL REFERENCES locations (id),
    kind TEXT NOT NULL,
    face_id TEXT,
    similarity INTEGER,
    seen_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    clock_offset_ms INTEGER NOT NULL,
    basis_epoch INTEGER NOT NULL,
    basis_verified INTEGER NOT NULL,
    staleness_s INTEGER NOT NULL,
    UNIQUE (edge, stream, n)
) STRICT;
CREATE INDEX visits_by_location ON visits (location, id);
CREATE INDEX visits_by_face ON visits (location, face_id);

-- What can never be stored, with the reason; settled like a visit, so that it blocks nothing.
CREATE TABLE dead_letters (
    edge TEXT NOT NULL REFERENCES edges (id),
    stream INTEGER NOT NULL,
    n INTEGER NOT NULL,
    location TEXT NOT NULL REFERENCES locations (id),
    reason TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (edge, stream, n)
) STRICT;

-- New faces that wait for a manager; on no edge until accepted.
CREATE TABLE review_queue (
    location TEXT NOT NULL REFERENCES locations (id),
    face_id TEXT NOT NULL,
    edge TEXT NOT NULL REFERENCES edges (id),
    space_id TEXT NOT NULL REFERENCES spaces (id),
    embedding BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (location, face_id)
) STRICT;

-- Who did what, and when. No names of customers, no vectors.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    location TEXT,
    subject TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_location ON audit (location, id);

-- People who may read view/ over MQTT.
CREATE TABLE mqtt_users (
    name TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
