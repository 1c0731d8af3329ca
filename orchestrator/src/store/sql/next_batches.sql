-- The next batches of each fan-out, from its cursor on: those without a sub-job, those whose sub-job did not complete in
-- an earlier run, and from x.redo_from on all. The LIMIT 1 makes each batch look up its own sub-job; as a plain join it may
-- read all sub-jobs of the step for each of its batches.
SELECT x.job_id, x.step_index, next.batch_index, next.items, next.sub_job_id
FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[]) AS x (job_id, step_index, first, count, redo_from)
CROSS JOIN LATERAL (
    SELECT batches.batch_index, batches.items, sub_job.id AS sub_job_id
    FROM batches
    LEFT JOIN LATERAL (
        SELECT jobs.id, jobs.status FROM jobs
        WHERE jobs.parent_id = batches.job_id AND jobs.step_index = batches.step_index
            AND COALESCE(jobs.batch_index, -1) = batches.batch_index
        LIMIT 1
    ) AS sub_job ON true
    WHERE batches.job_id = x.job_id AND batches.step_index = x.step_index AND batches.batch_index >= x.first
        AND (batches.batch_index >= x.redo_from OR sub_job.id IS NULL OR sub_job.status NOT IN ('completed', 'completed_with_errors'))
    ORDER BY batches.batch_index
    LIMIT x.count
) AS next
ORDER BY x.job_id, x.step_index, next.batch_index
