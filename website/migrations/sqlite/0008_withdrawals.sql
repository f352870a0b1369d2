-- Every credential that was taken back: the SHA-256 of what the database kept of it. The database's half of what the
-- erasure ledger says of credentials.
CREATE TABLE withdrawals (
    credential BLOB NOT NULL PRIMARY KEY CHECK (length(credential) = 32),
    at INTEGER NOT NULL,
    in_ledger INTEGER NOT NULL CHECK (in_ledger IN (0, 1))
) STRICT;
CREATE INDEX withdrawals_unwritten ON withdrawals (at) WHERE in_ledger = 0;
