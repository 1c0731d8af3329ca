-- What is approved, whether or not it is applied by now.
SELECT count(*) FROM media.plan_changes WHERE plan_id = $1 AND status IN ('approved', 'applied', 'lost')
