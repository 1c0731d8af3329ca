-- A page of a run's batches, from the one after $2 on, $3 at most. Approved is what was approved, whether or not it could be applied;
-- what could not be is an error.
SELECT p.batch, p.scenes_analyzed,
    count(c.id) FILTER (WHERE c.status IN ('approved', 'applied', 'lost')),
    count(c.id) FILTER (WHERE c.status = 'applied'),
    jsonb_array_length(p.errors) + count(c.id) FILTER (WHERE c.status = 'lost')
FROM media.plans p LEFT JOIN media.plan_changes c ON c.plan_id = p.id
WHERE p.run_id = $1 AND p.batch > $2
GROUP BY p.id
ORDER BY p.batch
LIMIT $3
