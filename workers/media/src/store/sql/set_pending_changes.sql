UPDATE media.plan_changes SET status = $2 WHERE plan_id = $1 AND status = 'pending'
