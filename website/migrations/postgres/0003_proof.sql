-- What shows that a removed person is gone, and stays so through a restored database.

-- backed_up_at: when the newest backup was begun. swept_epoch: the epoch in which retained messages of unknown faces
-- were cleared at the broker. lease_out: until when any head signed under an earlier lease lets an edge recognise.
ALTER TABLE locations ADD COLUMN backed_up_at BIGINT;
ALTER TABLE locations ADD COLUMN swept_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE locations ADD COLUMN lease_out BIGINT NOT NULL DEFAULT 0;

-- alarm_at: since when. repair_ordered_at: it was told to compare its rows and has not begun.
ALTER TABLE edges ADD COLUMN alarm_at BIGINT;
ALTER TABLE edges ADD COLUMN repair_ordered_at BIGINT;

-- The newest report as the edge signed it.
ALTER TABLE edge_reports ADD COLUMN signed BYTEA;

-- Every removal for good, outliving its tombstone: the database's half of the erasure ledger. `also` lists, with
-- spaces between, every face that was ever merged into this one. Nothing personal.
CREATE TABLE erasures (
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    face_id TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    also TEXT NOT NULL,
    recognised_until BIGINT NOT NULL,
    in_ledger BIGINT NOT NULL CHECK (in_ledger IN (0, 1)),
    PRIMARY KEY (location, face_id)
);
CREATE INDEX erasures_unwritten ON erasures (location, face_id) WHERE in_ledger = 0;

-- What was removed before this table was there.
INSERT INTO erasures (location, face_id, epoch, seq, at, actor, also, recognised_until, in_ledger)
SELECT c.location, c.face_id, l.epoch, c.seq, c.removed_at,
    COALESCE((SELECT g.actor FROM change_log g WHERE g.location = c.location AND g.seq = c.seq), 'unknown'),
    '', c.removed_at + l.lease_s * 1000, 0
FROM customers c JOIN locations l ON l.id = c.location
WHERE c.state = 'removed' AND c.merged_into IS NULL;

-- The reports that carried receipts, as the edges signed them.
CREATE TABLE receipt_pages (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    edge TEXT COLLATE "C" NOT NULL REFERENCES edges (id),
    public_key BYTEA NOT NULL CHECK (length(public_key) = 32),
    signed BYTEA NOT NULL,
    stored_at BIGINT NOT NULL
);
ALTER TABLE receipts ADD COLUMN page BIGINT REFERENCES receipt_pages (id);
CREATE INDEX receipts_by_page ON receipts (page);
CREATE INDEX receipts_by_face ON receipts (face_id);
CREATE INDEX receipts_by_age ON receipts (edge, stored_at);

CREATE INDEX customers_tombstones ON customers (location, removed_at) WHERE state = 'removed';
CREATE INDEX dead_letters_by_location ON dead_letters (location, received_at);

-- How a person that a manager let in agreed to it. Goes with the customer.
CREATE TABLE consents (
    location TEXT COLLATE "C" NOT NULL REFERENCES locations (id),
    face_id TEXT COLLATE "C" NOT NULL,
    how TEXT NOT NULL CHECK (how IN ('written', 'spoken', 'online')),
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (location, face_id)
);
