-- One job, with everything. $2: without parameters, and without the result before the end.
SELECT view
    || CASE WHEN metadata IS NULL THEN '{}' ELSE jsonb_build_object('metadata', metadata) END
    || CASE WHEN $2 THEN '{}' ELSE jsonb_build_object('params', params) END
    || CASE WHEN $2 AND status NOT IN ('completed', 'completed_with_errors', 'failed', 'cancelled') THEN '{}'
        ELSE jsonb_build_object('result', result) END,
    version, root_id, status, (view -> 'is_workflow')::bool
FROM job_views WHERE id = $1
