-- Dead letters that are sent again, and what the queues of a type may have lost.

ALTER TABLE dead_letters
    ADD COLUMN whole_bytes bigint,
    ADD COLUMN redrives int NOT NULL DEFAULT 0;
COMMENT ON COLUMN dead_letters.whole_bytes IS 'How many bytes the body had, where only its beginning is kept.';
COMMENT ON COLUMN dead_letters.redrives IS 'How often it was sent again before, and came back.';

-- What was published and has not started. No column of it changes with progress, so that those updates stay small.
CREATE INDEX jobs_waiting_idx ON jobs (type, id)
    WHERE status = 'pending' AND dispatch > 0 AND due_at IS NULL AND paused IS NULL;
