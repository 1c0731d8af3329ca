-- How the sub-jobs of these workflows' steps ended, the first 10,000 of each step.
SELECT x.parent_id, x.step_index, j.id, j.batch_index, j.status, j.result, j.error, j.started_at, j.finished_at
FROM unnest($1::uuid[], $2::int[]) AS x (parent_id, step_index)
CROSS JOIN LATERAL (
    SELECT id, batch_index, status, result, error, started_at, finished_at FROM jobs
    WHERE jobs.parent_id = x.parent_id AND jobs.step_index = x.step_index
    ORDER BY COALESCE(batch_index, -1)
    LIMIT 10000
) j
