-- Dead letters that are sent again, and what the queues of a type may have lost.

ALTER TABLE dead_letters
    ADD COLUMN whole_bytes bigint,
    ADD COLUMN redrives int NOT NULL DEFAULT 0;
COMMENT ON COLUMN dead_letters.whole_bytes IS 'How many bytes the body had, where only its beginning is kept.';
COMMENT ON COLUMN dead_letters.redrives IS 'How often it was sent again before, and came back.';

-- Its type never changes and its status does so anyway: the index keeps no update from being a small one.
CREATE INDEX jobs_pending_idx ON jobs (type, id) WHERE status = 'pending';
