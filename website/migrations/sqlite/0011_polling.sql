-- Boxes that ask over HTTP what has changed, instead of listening over MQTT.

-- One row for each edge whose box does: the edge's own columns about keys, starts and sessions stay empty. question: the
-- `since` of its last poll, as it sent it ('' for none); asking counts up whenever that differs from the one before.
-- newest_stamp: the newest time that an answer bore, in seconds since 1970. confirmed_...: what the answer had brought it
-- to that it has named in its newest question.
CREATE TABLE polling_boxes (
    edge TEXT NOT NULL PRIMARY KEY REFERENCES edges (id),
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    space_id TEXT NOT NULL REFERENCES spaces (id),
    joined_at INTEGER NOT NULL,
    asked_at INTEGER,
    question TEXT NOT NULL,
    asking INTEGER NOT NULL,
    newest_stamp INTEGER NOT NULL,
    confirmed_epoch INTEGER NOT NULL,
    confirmed_removed INTEGER NOT NULL,
    confirmed_changed INTEGER NOT NULL
) STRICT;

-- What each answer has brought the box to that takes it in, by the time the answer bore: it holds every removal through
-- removed_seq and every other change through changed_seq, and every customer of its space that was enrolled through
-- held_seq. cut: there was more than the answer had room for. Old ones go; nothing is lost by that.
CREATE TABLE polling_answers (
    edge TEXT NOT NULL REFERENCES edges (id),
    stamp INTEGER NOT NULL,
    asking INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    removed_seq INTEGER NOT NULL,
    changed_seq INTEGER NOT NULL,
    held_seq INTEGER NOT NULL,
    cut INTEGER NOT NULL CHECK (cut IN (0, 1)),
    PRIMARY KEY (edge, stamp)
) STRICT;

-- The seq at which a customer was enrolled, and the one of its newest name: what a poll is told as created, and of which
-- changes the name is a part. Of older rows no more is known than that both were by their last change.
ALTER TABLE customers ADD COLUMN enrolled_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE customers ADD COLUMN named_seq INTEGER NOT NULL DEFAULT 0;
UPDATE customers SET enrolled_seq = seq, named_seq = seq WHERE state = 'live';

-- A poll reads removals and merges by seq, for good, and finds the changes since a time.
CREATE INDEX erasures_by_seq ON erasures (location, seq);
CREATE INDEX merges_by_seq ON merges (location, seq);
CREATE INDEX change_log_by_time ON change_log (location, at, seq);
