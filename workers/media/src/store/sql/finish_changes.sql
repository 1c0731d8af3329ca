UPDATE media.plan_changes SET status = 'applied' WHERE plan_id = $1 AND status = 'approved'
