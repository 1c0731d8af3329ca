-- Changes that cannot be applied: their scene is gone, or has other content than the one that was analyzed.
UPDATE media.plan_changes SET status = 'lost'
WHERE plan_id = $1 AND status = 'approved' AND NOT EXISTS (
    SELECT FROM media.scenes s JOIN media.plan_scenes p ON p.scene_id = s.id AND p.fingerprint = s.fingerprint
    WHERE p.plan_id = $1 AND s.id = plan_changes.scene_id)
