-- What the pages ask: how many ended lately, and how.

CREATE INDEX jobs_finished_idx ON jobs (finished_at DESC) INCLUDE (status)
    WHERE parent_id IS NULL AND finished_at IS NOT NULL;
