-- What is kept for how long, and where it stands in a trace: finished trees.

-- Ended trees of a type in the order of their ends: those that are to go stand at its beginning.
CREATE INDEX jobs_ended_idx ON jobs (type, finished_at, id) WHERE parent_id IS NULL AND finished_at IS NOT NULL;
-- A tree's key goes with it; without this each delete would read all keys.
CREATE INDEX submissions_job_idx ON submissions (job_id);

-- Log lines: how much there is of each job, and what is missing.

-- Lines that the orchestrator itself writes come from no worker.
ALTER TABLE logs ALTER COLUMN worker_session DROP NOT NULL;
ALTER TABLE logs ADD COLUMN taken_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN logs.taken_at IS 'When it was taken in, by the database''s clock: the clocks of workers must not decide what is old.';

CREATE TABLE log_sizes (
    job_id uuid PRIMARY KEY,
    root_id uuid NOT NULL,
    bytes bigint NOT NULL,
    dropped bigint NOT NULL DEFAULT 0,
    expired bigint NOT NULL DEFAULT 0,
    notice_id bigint
) WITH (fillfactor = 70);
COMMENT ON TABLE log_sizes IS 'How much the log lines of a job take, and how many are missing.';
COMMENT ON COLUMN log_sizes.bytes IS 'Of what is kept: texts, and 250 for each line, which is what a row and its entries in indexes take.';
COMMENT ON COLUMN log_sizes.dropped IS 'Lines that were not kept, since the job had as many bytes as it may have.';
COMMENT ON COLUMN log_sizes.expired IS 'Lines that were kept and are deleted by now.';
COMMENT ON COLUMN log_sizes.notice_id IS 'The line that says how many were dropped.';
CREATE INDEX log_sizes_root_idx ON log_sizes (root_id);
INSERT INTO log_sizes (job_id, root_id, bytes)
SELECT job_id, root_id, sum(octet_length(message) + octet_length(fields::text) + 250) FROM logs GROUP BY job_id, root_id;

-- Where the trace of a tree begins.
ALTER TABLE jobs ADD COLUMN traceparent text;
COMMENT ON COLUMN jobs.traceparent IS 'On a root whose submission is part of a trace: W3C''s traceparent of the span above it.';
