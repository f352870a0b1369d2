-- What must outlive a restored database, and what an edge's word may cause.

-- Whether the erasure ledger has the revocation; without a meaning while the edge is not revoked.
ALTER TABLE edges ADD COLUMN revoked_in_ledger INTEGER NOT NULL DEFAULT 0 CHECK (revoked_in_ledger IN (0, 1));
CREATE INDEX edges_unwritten ON edges (location, id) WHERE revoked_at IS NOT NULL AND revoked_in_ledger = 0;

-- ahead_at: when an edge's report has last begun a new epoch.
ALTER TABLE locations ADD COLUMN ahead_at INTEGER;
