-- A page of a workflow's sub-jobs, in the order of its steps. A step is found by its key through the first sub-job of each
-- step, so that the 100,000 batches of another step are not looked through. Planned anew for each call.
WITH RECURSIVE steps AS (
    (SELECT step_index, step_key FROM jobs WHERE parent_id = $1 ORDER BY step_index LIMIT 1)
    UNION ALL
    SELECT later.step_index, later.step_key
    FROM steps CROSS JOIN LATERAL (
        SELECT step_index, step_key FROM jobs
        WHERE parent_id = $1 AND step_index > steps.step_index
        ORDER BY step_index
        LIMIT 1
    ) AS later
)
SELECT page.step_index, page.batch_index, view
    || CASE WHEN metadata IS NULL THEN '{}' ELSE jsonb_build_object('metadata', metadata) END
FROM (
    SELECT id, step_index, COALESCE(batch_index, -1) AS batch_index FROM jobs
    WHERE parent_id = $1
        AND (step_index, COALESCE(batch_index, -1)) > ($2, $3)
        AND ($4::text IS NULL OR step_index = (SELECT step_index FROM steps WHERE step_key = $4))
        AND ($5::text[] IS NULL OR status = ANY ($5))
    ORDER BY step_index, COALESCE(batch_index, -1)
    LIMIT $6
) AS page
JOIN job_views ON job_views.id = page.id
ORDER BY page.step_index, page.batch_index
