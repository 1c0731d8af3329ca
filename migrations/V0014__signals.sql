-- Steps that wait for an answer, and steps that are repeated.

ALTER TABLE jobs ADD COLUMN round int NOT NULL DEFAULT 1;
COMMENT ON COLUMN jobs.round IS 'Which round of its step it is, from 1; 1 where that is not repeated.';
COMMENT ON COLUMN jobs.policy IS 'Who does it (wait_for: no worker, it waits for an answer), when to try again, how long a try may take.';

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
        'paused', COALESCE(jobs.paused ->> 'reason' <> 'settling', false),
        'paused_at', CASE WHEN jobs.paused ->> 'reason' <> 'settling' THEN jobs.paused -> 'at' END,
        'error', jobs.error,
        'is_workflow', jobs.definition_hash IS NOT NULL,
        'wait_for', jobs.policy -> 'wait_for',
        'round', jobs.round
    ) AS view
FROM jobs;
