-- What boxes that poll have sent.

-- One row for each of their visits, by the SHA-256 of the id that its box gave it, which may name a face: the number that
-- the visit has among its edge's (stream 0).
CREATE TABLE polled_visits (
    edge TEXT NOT NULL REFERENCES edges (id),
    visit BYTEA NOT NULL CHECK (length(visit) = 32),
    n BIGINT NOT NULL,
    PRIMARY KEY (edge, visit),
    UNIQUE (edge, n)
);

-- A box's word that it has deleted a face, for the removal at exactly this (epoch, seq); joined_at: when that box had joined.
CREATE TABLE confirmations (
    edge TEXT NOT NULL REFERENCES edges (id),
    face_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    joined_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (edge, face_id, epoch, seq)
);
CREATE INDEX confirmations_by_face ON confirmations (face_id);

-- When the first box of this edge joined: the one that is there may have taken its place.
ALTER TABLE polling_boxes ADD COLUMN first_joined_at BIGINT NOT NULL DEFAULT 0;
UPDATE polling_boxes SET first_joined_at = joined_at;
