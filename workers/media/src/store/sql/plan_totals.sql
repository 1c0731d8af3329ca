-- What the plans of a run came to. The scenes of a draft are analyzed again, or by another run. Approved is what was approved, whether
-- or not it could be applied.
SELECT count(DISTINCT p.id),
    COALESCE((SELECT sum(scenes_analyzed)::bigint FROM media.plans WHERE run_id = $1 AND status <> 'draft'), 0),
    count(c.id), count(c.id) FILTER (WHERE c.status IN ('approved', 'applied', 'lost')),
    count(c.id) FILTER (WHERE c.status = 'applied')
FROM media.plans p LEFT JOIN media.plan_changes c ON c.plan_id = p.id
WHERE p.run_id = $1 AND p.status <> 'draft'
