-- points_per_visit: what a customer gets for each visit, in the transaction that stores it.
ALTER TABLE locations ADD COLUMN points_per_visit INTEGER NOT NULL DEFAULT 0
    CHECK (points_per_visit BETWEEN 0 AND 10000);

-- points: what the visit was worth when it came in. Those of a face that waits are its customer's once a manager lets it in.
ALTER TABLE visits ADD COLUMN points INTEGER NOT NULL DEFAULT 0 CHECK (points BETWEEN 0 AND 10000);
