-- The plans of a run that nobody is going to apply.
WITH drafted AS (
    UPDATE media.plans SET status = 'draft', reason = $2, decided_at = now()
    WHERE run_id = $1 AND status IN ('pending', 'approved')
    RETURNING id
), closed AS (
    UPDATE media.plan_scenes SET open = false WHERE plan_id IN (SELECT id FROM drafted) AND open
)
SELECT count(*) FROM drafted
