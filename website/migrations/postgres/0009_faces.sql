-- Faces apart from the rows they belong to: a new name or flag then writes no face anew. (On SQLite a slot is used over and
-- over, and a free one stays; here it goes with its face.)
CREATE TABLE faces (
    slot BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    used BIGINT NOT NULL CHECK (used = 1),
    face BYTEA NOT NULL
);

ALTER TABLE customers ADD COLUMN face_slot BIGINT;
UPDATE customers SET face_slot = nextval(pg_get_serial_sequence('faces', 'slot')) WHERE embedding IS NOT NULL;
INSERT INTO faces (slot, used, face) OVERRIDING SYSTEM VALUE
SELECT face_slot, 1, embedding FROM customers WHERE face_slot IS NOT NULL;

ALTER TABLE review_queue ADD COLUMN face_slot BIGINT;
UPDATE review_queue SET face_slot = nextval(pg_get_serial_sequence('faces', 'slot'));
INSERT INTO faces (slot, used, face) OVERRIDING SYSTEM VALUE SELECT face_slot, 1, embedding FROM review_queue;

-- With the column go the checks that name it.
ALTER TABLE customers DROP COLUMN embedding;
ALTER TABLE customers
    ADD UNIQUE (face_slot),
    ADD FOREIGN KEY (face_slot) REFERENCES faces (slot),
    ADD CHECK (state <> 'live' OR (space_id IS NOT NULL AND face_slot IS NOT NULL AND row_hash IS NOT NULL
        AND removed_at IS NULL AND merged_into IS NULL)),
    ADD CHECK (state <> 'removed' OR (space_id IS NULL AND face_slot IS NULL AND row_hash IS NULL AND name = ''
        AND flag = 'none' AND points = 0 AND visits = 0 AND last_seen_at IS NULL AND duplicate_of IS NULL
        AND removed_at IS NOT NULL));
ALTER TABLE review_queue DROP COLUMN embedding;
ALTER TABLE review_queue
    ALTER COLUMN face_slot SET NOT NULL,
    ADD UNIQUE (face_slot),
    ADD FOREIGN KEY (face_slot) REFERENCES faces (slot);

-- A column that is dropped stays in the rows' bytes until they are written anew.
CLUSTER customers USING customers_pkey;
ALTER TABLE customers SET WITHOUT CLUSTER;
CLUSTER review_queue USING review_queue_pkey;
ALTER TABLE review_queue SET WITHOUT CLUSTER;

-- It spared a repair the rows while each of them carried a face. Now they are as good to read, and every change would have
-- to keep it up. (SQLite keeps its own: there a row is found by way of a second tree.)
DROP INDEX customers_hashes;
