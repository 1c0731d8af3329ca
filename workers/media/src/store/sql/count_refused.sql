SELECT count(*) FROM media.plan_changes WHERE plan_id = $1 AND status = 'refused'
