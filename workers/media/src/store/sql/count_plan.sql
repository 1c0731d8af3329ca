UPDATE media.plans
SET scenes_analyzed = (SELECT count(*) FROM media.plan_scenes WHERE plan_id = $1),
    changes_proposed = (SELECT count(*) FROM media.plan_changes WHERE plan_id = $1)
WHERE id = $1
RETURNING id, scenes_analyzed, changes_proposed, errors
