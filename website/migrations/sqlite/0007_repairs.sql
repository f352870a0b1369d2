-- How often an edge has begun a repair since its start, by what made it, as its newest report says.
ALTER TABLE edge_reports ADD COLUMN repairs_first_start INTEGER NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_missed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_digest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_quarantine INTEGER NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_asked INTEGER NOT NULL DEFAULT 0;
