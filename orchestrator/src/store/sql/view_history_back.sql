-- What happened in a tree ($1) before $4, newest first: to all of it, to one job ($2), or to a job and all below it ($3). Planned
-- anew for each call.
SELECT history.id, history.at, history.job_id, history.attempt, history.kind,
    CASE WHEN octet_length(history.detail::text) < 2000 THEN history.detail END, jobs.type, jobs.batch_index
FROM history LEFT JOIN jobs ON jobs.id = history.job_id
WHERE history.root_id = $1 AND history.id < $4
    AND ($2::uuid IS NULL OR history.job_id = $2)
    AND ($3::uuid IS NULL OR history.job_id IN (
        WITH RECURSIVE below AS (
            SELECT $3::uuid AS id
            UNION ALL
            SELECT children.id FROM below
            -- One look into the index for each job; a join would go through all sub-jobs of the system.
            CROSS JOIN LATERAL (SELECT id FROM jobs WHERE parent_id = below.id OFFSET 0) AS children
        )
        SELECT id FROM below
    ))
ORDER BY history.id DESC
LIMIT $5
