-- Log lines of a job, or with all of its sub-jobs. A whole tree is found by its root; a part of one by the jobs below it.
WITH RECURSIVE below AS (
    SELECT id FROM jobs WHERE id = $1
    UNION ALL
    SELECT jobs.id FROM jobs JOIN below ON jobs.parent_id = below.id
    WHERE $2 AND (SELECT root_id <> id FROM jobs WHERE id = $1)
)
SELECT logs.id, jsonb_build_object(
    'id', logs.id, 'at', logs.at, 'level', logs.level, 'message', logs.message, 'fields', logs.fields,
    'job_id', logs.job_id, 'job_type', jobs.type, 'parent_job_id', jobs.parent_id, 'attempt', logs.attempt
)
FROM logs JOIN jobs ON jobs.id = logs.job_id
WHERE logs.id > $3
    AND CASE WHEN $2 AND (SELECT root_id = id FROM jobs WHERE id = $1) THEN logs.root_id = $1
        ELSE logs.job_id IN (SELECT id FROM below) END
    AND ($4::text[] IS NULL OR logs.level = ANY ($4))
ORDER BY logs.id
LIMIT $5
