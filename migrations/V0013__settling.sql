-- A resumed job whose message was withdrawn goes on when every worker has obeyed the withdrawal: one may have begun it before it
-- heard of the pause.

ALTER TABLE withdrawals ADD COLUMN control_id uuid;
CREATE INDEX withdrawals_control_idx ON withdrawals (control_id);
COMMENT ON COLUMN withdrawals.control_id IS 'The broadcast that told of it, which workers acknowledge.';
COMMENT ON TABLE cancel_acks IS 'Which worker has obeyed which broadcast of cancels and withdrawals.';
CREATE INDEX jobs_settling_idx ON jobs (id) WHERE paused ->> 'reason' = 'settling';

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
        'is_workflow', jobs.definition_hash IS NOT NULL
    ) AS view
FROM jobs;
