-- How often an edge has begun a repair since its start, by what made it, as its newest report says.
ALTER TABLE edge_reports ADD COLUMN repairs_first_start BIGINT NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_missed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_digest BIGINT NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_quarantine BIGINT NOT NULL DEFAULT 0;
ALTER TABLE edge_reports ADD COLUMN repairs_asked BIGINT NOT NULL DEFAULT 0;
