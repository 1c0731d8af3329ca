WITH drafted AS (
    UPDATE media.plans SET status = 'draft', reason = 'it was not applied in time', decided_at = now()
    WHERE status IN ('pending', 'approved') AND created_at < now() - make_interval(days => $1)
    RETURNING id
), closed AS (
    UPDATE media.plan_scenes SET open = false WHERE plan_id IN (SELECT id FROM drafted) AND open
)
SELECT count(*) FROM drafted
