-- What is read of jobs, by the API and by whoever reads SQL.

CREATE VIEW job_views AS
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
        'error', jobs.error,
        'is_workflow', jobs.definition_hash IS NOT NULL
    ) AS view
FROM jobs;
COMMENT ON VIEW job_views IS 'A job as the API shows it, in the column view.';
