-- Results of the sub-jobs of these steps, the first 10,000 of each.
SELECT x.parent_id, x.step_index, j.id, j.batch_index, j.result
FROM unnest($1::uuid[], $2::int[]) AS x (parent_id, step_index)
CROSS JOIN LATERAL (
    SELECT id, batch_index, result FROM jobs
    WHERE jobs.parent_id = x.parent_id AND jobs.step_index = x.step_index
    ORDER BY COALESCE(batch_index, -1)
    LIMIT 10000
) j
