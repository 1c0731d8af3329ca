-- A page of a workflow's sub-jobs, in the order of its steps.
SELECT step_index, COALESCE(batch_index, -1), view
    || CASE WHEN metadata IS NULL THEN '{}' ELSE jsonb_build_object('metadata', metadata) END
FROM job_views
WHERE parent_id = $1
    AND (step_index, COALESCE(batch_index, -1)) > ($2::int, $3::int)
    AND ($4::text IS NULL OR step_key = $4)
    AND ($5::text[] IS NULL OR status = ANY ($5))
ORDER BY step_index, COALESCE(batch_index, -1)
LIMIT $6
