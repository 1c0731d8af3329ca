-- Pauses: of jobs, and (withdrawals) of what had been published and not started.

ALTER TABLE jobs ADD COLUMN paused jsonb;
ALTER TABLE jobs ADD CONSTRAINT paused_only_before_the_end CHECK (paused IS NULL OR status IN ('pending', 'running'));
COMMENT ON COLUMN jobs.paused IS 'Since when and why nothing of it is begun. What waits below a paused workflow is paused with it.';

CREATE INDEX jobs_paused_idx ON jobs (id DESC) WHERE paused IS NOT NULL AND parent_id IS NULL;
DROP INDEX jobs_due_idx;
CREATE INDEX jobs_due_idx ON jobs (due_at) WHERE due_at IS NOT NULL AND paused IS NULL;

CREATE TABLE withdrawals (
    job_id uuid PRIMARY KEY,
    dispatch int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE withdrawals IS 'Dispatches that a pause withdrew and of which a message may still lie in a queue. Workers learn them before they consume.';
CREATE INDEX withdrawals_age_idx ON withdrawals (created_at);

CREATE OR REPLACE VIEW job_views AS
SELECT
    jobs.id, jobs.root_id, jobs.parent_id, jobs.step_index, jobs.step_key, jobs.batch_index, jobs.type, jobs.status,
    jobs.labels, jobs.created_at, jobs.version, jobs.params, jobs.result, jobs.metadata,
    jsonb_build_object(
        'id', jobs.id,
        'type', jobs.type,
        'title', jobs.title,
        'status', jobs.status,
        'progress', (jobs.progress / 100.0)::float8,
        'message', jobs.message,
        'processed', jobs.processed,
        'total', jobs.total,
        'attempt', jobs.attempt,
        'dispatch', jobs.dispatch,
        'parent_id', jobs.parent_id,
        'root_id', jobs.root_id,
        'step', jobs.step_key,
        'batch_index', jobs.batch_index,
        'labels', jobs.labels,
        'created_at', jobs.created_at,
        'started_at', jobs.started_at,
        'finished_at', jobs.finished_at,
        'run_at', jobs.due_at,
        'paused', jobs.paused IS NOT NULL,
        'paused_at', jobs.paused -> 'at',
        'error', jobs.error,
        'is_workflow', jobs.definition_hash IS NOT NULL
    ) AS view
FROM jobs;
