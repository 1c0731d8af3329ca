-- The types of which trees have ended, from $1 on: one look into the index for each.
WITH RECURSIVE ended AS (
    (
        SELECT type FROM jobs
        WHERE parent_id IS NULL AND finished_at IS NOT NULL AND type >= $1
        ORDER BY type LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT jobs.type FROM jobs
        WHERE parent_id IS NULL AND finished_at IS NOT NULL AND jobs.type > ended.type
        ORDER BY jobs.type LIMIT 1
    )
    FROM ended WHERE ended.type IS NOT NULL
)
SELECT type FROM ended WHERE type IS NOT NULL LIMIT $2
