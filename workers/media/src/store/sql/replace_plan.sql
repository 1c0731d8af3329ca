-- Gives its place in the run to another plan. Nobody is going to apply what is open of it, so its scenes are free.
WITH closed AS (
    UPDATE media.plan_scenes SET open = false WHERE plan_id = $1 AND open
), put_aside AS (
    SELECT status IN ('pending', 'approved') AS now FROM media.plans WHERE id = $1
)
UPDATE media.plans SET replaced_batch = batch, batch = -id,
    status = CASE WHEN put_aside.now THEN 'draft' ELSE status END,
    reason = CASE WHEN put_aside.now THEN 'its batch was analyzed again' ELSE reason END,
    decided_at = CASE WHEN put_aside.now THEN now() ELSE decided_at END
FROM put_aside WHERE id = $1
