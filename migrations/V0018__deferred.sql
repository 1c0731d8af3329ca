-- A workflow under way may be due, too: what much was done for in one transaction goes on in another.

-- Not checked of the rows there are: they obeyed a stricter one.
ALTER TABLE jobs
    DROP CONSTRAINT due_only_when_pending,
    ADD CONSTRAINT due_before_it_goes_on
        CHECK (due_at IS NULL OR status = 'pending' OR definition_hash IS NOT NULL AND finished_at IS NULL) NOT VALID;
COMMENT ON COLUMN jobs.due_at IS 'When it is begun, or a workflow under way goes on.';

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
        'run_at', CASE WHEN jobs.status = 'pending' THEN jobs.due_at END,
        'paused', COALESCE(jobs.paused ->> 'reason' <> 'settling', false),
        'paused_at', CASE WHEN jobs.paused ->> 'reason' <> 'settling' THEN jobs.paused -> 'at' END,
        'error', jobs.error,
        'is_workflow', jobs.definition_hash IS NOT NULL,
        'wait_for', jobs.policy -> 'wait_for',
        'round', jobs.round
    ) AS view
FROM jobs;
