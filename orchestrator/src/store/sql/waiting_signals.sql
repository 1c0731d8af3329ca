-- The jobs that wait for an answer: $1 itself, or those below it, at any depth; at most $3, the first to wait first. Only those of a
-- step of this key ($2), if one is given.
SELECT jobs.id, jobs.dispatch, jobs.step_key, jobs.title, jobs.started_at, jobs.timeout_at
FROM jobs
WHERE jobs.root_id = (SELECT root_id FROM jobs WHERE id = $1)
    AND jobs.status IN ('pending', 'running', 'cancelling') AND jobs.status = 'running'
    AND jobs.policy ? 'wait_for'
    AND ($2::text IS NULL OR jobs.step_key = $2)
    AND $1 IN (
        WITH RECURSIVE up AS (
            SELECT jobs.id, jobs.parent_id
            UNION ALL
            SELECT above.id, above.parent_id FROM jobs AS above JOIN up ON above.id = up.parent_id
        )
        SELECT id FROM up
    )
ORDER BY jobs.started_at, jobs.id
LIMIT $3
