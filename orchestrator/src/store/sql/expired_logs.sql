-- How many log lines are deleted by now: of a whole tree ($1), of one job ($2), or of a job and all below it ($1 and $3).
-- Planned anew for each call.
SELECT COALESCE(sum(expired), 0)::bigint FROM log_sizes
WHERE ($1::uuid IS NULL OR root_id = $1)
    AND ($2::uuid IS NULL OR job_id = $2)
    AND ($3::uuid IS NULL OR job_id IN (
        WITH RECURSIVE below AS (
            SELECT $3::uuid AS id
            UNION ALL
            SELECT children.id FROM below
            -- One look into the index for each job; a join would go through all sub-jobs of the system.
            CROSS JOIN LATERAL (SELECT id FROM jobs WHERE parent_id = below.id OFFSET 0) AS children
        )
        SELECT id FROM below
    ))
