-- Every credential that was taken back: the SHA-256 of what the database kept of it. The database's half of what the
-- erasure ledger says of credentials.
CREATE TABLE withdrawals (
    credential BYTEA PRIMARY KEY CHECK (length(credential) = 32),
    at BIGINT NOT NULL,
    in_ledger BIGINT NOT NULL CHECK (in_ledger IN (0, 1))
);
CREATE INDEX withdrawals_unwritten ON withdrawals (at) WHERE in_ledger = 0;
