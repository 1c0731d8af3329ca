-- The number of a run's batch leads to its newest plan. One that another took the place of has -id as its number, which no batch
-- has, and keeps here the one that it had: what it wrote still counts.
ALTER TABLE media.plans ADD COLUMN replaced_batch bigint;
-- A draft that is wanted after all becomes again what it was.
ALTER TABLE media.plans ADD COLUMN approved_at timestamptz;
UPDATE media.plans SET approved_at = COALESCE(decided_at, created_at)
WHERE status IN ('approved', 'applied')
    OR EXISTS (SELECT FROM media.plan_changes c WHERE c.plan_id = plans.id AND c.status = 'approved');
