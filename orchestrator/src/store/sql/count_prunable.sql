-- How many trees of a type ($1) had ended before the first that is kept ($2, $3), and how many jobs are below them, each
-- counted up to $4.
WITH trees AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE parent_id IS NULL AND finished_at IS NOT NULL AND type = $1 AND (finished_at, id) < ($2::timestamptz, $3::uuid)
    ORDER BY finished_at, id
    LIMIT $4
)
SELECT (SELECT count(*) FROM trees), (
    SELECT count(*) FROM (
        -- One look into the index for each tree; a join would go through all sub-jobs of the system.
        SELECT FROM trees CROSS JOIN LATERAL (
            SELECT FROM jobs WHERE root_id = trees.id AND parent_id IS NOT NULL OFFSET 0
        ) AS parts
        LIMIT $4
    ) AS found
)
