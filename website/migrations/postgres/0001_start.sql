-- Conventions: every number, moment and truth value is a BIGINT (moments in milliseconds since 1970, UTC);
-- ids sort by byte (COLLATE "C"); unsigned 64-bit values are stored bit for bit as signed ones.

-- One row: which signing key this database belongs to.
CREATE TABLE site (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    public_key BYTEA NOT NULL CHECK (length(public_key) = 32),
    created_at BIGINT NOT NULL
);

-- The spaces that embeddings live in, as edges registered them; thresholds in ten-thousandths of a cosine.
CREATE TABLE spaces (
    id TEXT COLLATE "C" PRIMARY KEY,
    dimension BIGINT NOT NULL,
    match_at BIGINT NOT NULL,
    new_below BIGINT NOT NULL,
    registered_at BIGINT NOT NULL
);

-- A location with its counters: seq, count, digest and last_removal change in the transaction that changes a customer.
-- published_seq and published_head (the issued_at of a head) are what the broker has acknowledged in publish_round
-- (a new round publishes everything again),
-- announced_seq what people's mirror has been told once.
CREATE TABLE locations (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    enrol TEXT NOT NULL CHECK (enrol IN ('auto', 'approve', 'off')),
    names_in_view BIGINT NOT NULL CHECK (names_in_view IN (0, 1)),
    lease_s BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    live BIGINT NOT NULL,
    digest BYTEA NOT NULL CHECK (length(digest) = 16),
    digest_key BYTEA NOT NULL CHECK (length(digest_key) = 32),
    last_removal BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    publish_round BIGINT NOT NULL,
    published_seq BIGINT NOT NULL,
    published_head BIGINT NOT NULL,
    announced_seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- A live customer, or the nameless tombstone of one.
CREATE TABLE customers (
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    face_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'removed')),
    name TEXT NOT NULL,
    flag TEXT NOT NULL CHECK (flag IN ('none', 'green', 'amber', 'red')),
    space_id TEXT COLLATE "C" REFERENCES spaces (id),
    embedding BYTEA,
    row_hash BYTEA CHECK (length(row_hash) = 16),
    points BIGINT NOT NULL,
    visits BIGINT NOT NULL,
    last_seen_at BIGINT,
    duplicate_of TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    removed_at BIGINT,
    merged_into TEXT COLLATE "C",
    PRIMARY KEY (location, face_id),
    CHECK (state <> 'live' OR (space_id IS NOT NULL AND embedding IS NOT NULL AND row_hash IS NOT NULL
        AND removed_at IS NULL AND merged_into IS NULL)),
    CHECK (state <> 'removed' OR (space_id IS NULL AND embedding IS NULL AND row_hash IS NULL AND name = ''
        AND flag = 'none' AND points = 0 AND visits = 0 AND last_seen_at IS NULL AND duplicate_of IS NULL
        AND removed_at IS NOT NULL))
);
CREATE UNIQUE INDEX customers_by_seq ON customers (location, seq);

-- Which customer a merged one turned out to be; outlives the tombstone. Never points at a merged one.
CREATE TABLE merges (
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    loser TEXT COLLATE "C" NOT NULL,
    winner TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (location, loser)
);
CREATE INDEX merges_by_winner ON merges (location, winner);

-- What each seq of a location was, without names or content.
CREATE TABLE change_log (
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    seq BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    face_id TEXT COLLATE "C" NOT NULL,
    verb TEXT NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (location, seq)
);

-- Edges; public_key, token_hash, space_id and joined_at are there once it has joined.
CREATE TABLE edges (
    id TEXT COLLATE "C" PRIMARY KEY,
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    name TEXT NOT NULL,
    place TEXT NOT NULL,
    public_key BYTEA CHECK (length(public_key) = 32),
    token_hash BYTEA CHECK (length(token_hash) = 32),
    space_id TEXT COLLATE "C" REFERENCES spaces (id),
    start_count BIGINT NOT NULL,
    start_nonce BIGINT NOT NULL,
    alarm TEXT NOT NULL,
    online BIGINT NOT NULL CHECK (online IN (0, 1)),
    session BIGINT NOT NULL,
    last_seen_at BIGINT,
    clock_offset_ms BIGINT,
    created_at BIGINT NOT NULL,
    joined_at BIGINT,
    revoked_at BIGINT,
    UNIQUE (location, name),
    CHECK ((joined_at IS NULL) = (public_key IS NULL)),
    CHECK ((joined_at IS NULL) = (token_hash IS NULL)),
    CHECK ((joined_at IS NULL) = (space_id IS NULL))
);

-- A code waits for the edge that brings it; used or expired ones are deleted.
CREATE TABLE join_codes (
    edge TEXT COLLATE "C" PRIMARY KEY REFERENCES edges (id),
    hash BYTEA NOT NULL UNIQUE,
    expires_at BIGINT NOT NULL
);

-- Every start an edge has reported, so that a late report of an earlier one is not taken for an old image.
CREATE TABLE edge_starts (
    edge TEXT COLLATE "C" NOT NULL REFERENCES edges (id),
    nonce BIGINT NOT NULL,
    start_count BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (edge, nonce)
);

-- The newest report of an edge's current start.
CREATE TABLE edge_reports (
    edge TEXT COLLATE "C" PRIMARY KEY REFERENCES edges (id),
    epoch BIGINT NOT NULL,
    applied_seq BIGINT NOT NULL,
    digest BYTEA NOT NULL CHECK (length(digest) = 16),
    live BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('filling', 'verified', 'differs', 'expired')),
    reported_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    queued BIGINT NOT NULL,
    refused BIGINT NOT NULL
);

-- When an edge was first known to hold a seq; a row for each report that moved it.
CREATE TABLE edge_progress (
    edge TEXT COLLATE "C" NOT NULL REFERENCES edges (id),
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (edge, epoch, seq)
);

-- An edge's proof that it removed a face at exactly this (epoch, seq).
CREATE TABLE receipts (
    edge TEXT COLLATE "C" NOT NULL REFERENCES edges (id),
    face_id TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    removed_at BIGINT NOT NULL,
    probe TEXT NOT NULL CHECK (probe IN ('gone', 'never_held', 'still_found')),
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (edge, face_id, epoch, seq)
);

-- Every visit once.
CREATE TABLE visits (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    edge TEXT COLLATE "C" NOT NULL REFERENCES edges (id),
    stream BIGINT NOT NULL,
    n BIGINT NOT NULL,
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    kind TEXT NOT NULL,
    face_id TEXT COLLATE "C",
    similarity BIGINT,
    seen_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    clock_offset_ms BIGINT NOT NULL,
    basis_epoch BIGINT NOT NULL,
    basis_verified BIGINT NOT NULL,
    staleness_s BIGINT NOT NULL,
    UNIQUE (edge, stream, n)
);
CREATE INDEX visits_by_location ON visits (location, id);
CREATE INDEX visits_by_face ON visits (location, face_id);

-- What can never be stored, with the reason; settled like a visit, so that it blocks nothing.
CREATE TABLE dead_letters (
    edge TEXT COLLATE "C" NOT NULL REFERENCES edges (id),
    stream BIGINT NOT NULL,
    n BIGINT NOT NULL,
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    reason TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (edge, stream, n)
);

-- New faces that wait for a manager; on no edge until accepted.
CREATE TABLE review_queue (
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    face_id TEXT COLLATE "C" NOT NULL,
    edge TEXT COLLATE "C" NOT NULL REFERENCES edges (id),
    space_id TEXT COLLATE "C" NOT NULL REFERENCES spaces (id),
    embedding BYTEA NOT NULL,
    seen_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (location, face_id)
);

-- Who did what, and when. No names of customers, no vectors.
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    location TEXT COLLATE "C",
    subject TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_by_location ON audit (location, id);

-- People who may read view/ over MQTT.
CREATE TABLE mqtt_users (
    name TEXT COLLATE "C" PRIMARY KEY,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
