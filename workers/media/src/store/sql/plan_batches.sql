-- A page of a run's batches, from the one after $2 on, $3 at most. A plan that another took the place of counts beside that, without
-- its errors: what failed was looked at again. Approved is what was approved, whether or not it could be applied; what could not be
-- is an error.
SELECT COALESCE(p.replaced_batch, p.batch) AS number, sum(p.scenes_analyzed)::bigint,
    sum(c.approved)::bigint, sum(c.applied)::bigint,
    (sum(c.lost) + COALESCE(sum(jsonb_array_length(p.errors)) FILTER (WHERE p.replaced_batch IS NULL), 0))::bigint
FROM media.plans p CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE status IN ('approved', 'applied', 'lost')) AS approved,
        count(*) FILTER (WHERE status = 'applied') AS applied, count(*) FILTER (WHERE status = 'lost') AS lost
    FROM media.plan_changes WHERE plan_id = p.id
) c
WHERE p.run_id = $1 AND p.status <> 'draft' AND COALESCE(p.replaced_batch, p.batch) > $2
GROUP BY number
ORDER BY number
LIMIT $3
