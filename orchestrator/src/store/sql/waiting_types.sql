-- The types of which a job was published this long ago ($1) and has not started, as far as the oldest 100 jobs of each tell.
-- Each type is found by one look into the index, however many of its jobs wait.
WITH RECURSIVE types AS (
    (SELECT type FROM jobs
        WHERE status = 'pending' AND dispatch > 0 AND due_at IS NULL AND paused IS NULL
        ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.type FROM jobs
        WHERE jobs.status = 'pending' AND jobs.dispatch > 0 AND jobs.due_at IS NULL AND jobs.paused IS NULL
            AND jobs.type > types.type
        ORDER BY jobs.type LIMIT 1)
    FROM types WHERE types.type IS NOT NULL
)
SELECT types.type FROM types
WHERE EXISTS (
    SELECT FROM (
        SELECT jobs.updated_at, jobs.workflow FROM jobs
        WHERE jobs.status = 'pending' AND jobs.dispatch > 0 AND jobs.due_at IS NULL AND jobs.paused IS NULL
            AND jobs.type = types.type
        ORDER BY jobs.id LIMIT 100
    ) AS oldest
    WHERE oldest.workflow IS NULL AND oldest.updated_at < clock_timestamp() - make_interval(secs => $1)
)
ORDER BY types.type
LIMIT $2
