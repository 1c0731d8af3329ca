-- The next batches of each fan-out, from its cursor on: those without a sub-job, those whose sub-job did not complete in
-- an earlier run, and from x.redo_from on all.
SELECT x.job_id, x.step_index, next.batch_index, next.items, next.sub_job_id
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[]) AS x (job_id, step_index, first, count, redo_from)
CROSS JOIN LATERAL (
    SELECT batches.batch_index, batches.items, jobs.id AS sub_job_id
    FROM batches
    LEFT JOIN jobs ON jobs.parent_id = batches.job_id AND jobs.step_index = batches.step_index
        AND COALESCE(jobs.batch_index, -1) = batches.batch_index
    WHERE batches.job_id = x.job_id AND batches.step_index = x.step_index AND batches.batch_index >= x.first
        AND (batches.batch_index >= x.redo_from OR jobs.id IS NULL OR jobs.status NOT IN ('completed', 'completed_with_errors'))
    ORDER BY batches.batch_index
    LIMIT x.count
) AS next
ORDER BY x.job_id, x.step_index, next.batch_index
