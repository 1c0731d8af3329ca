-- What is kept for how long: finished trees.

-- Ended trees of a type in the order of their ends: those that are to go stand at its beginning.
CREATE INDEX jobs_ended_idx ON jobs (type, finished_at, id) WHERE parent_id IS NULL AND finished_at IS NOT NULL;
