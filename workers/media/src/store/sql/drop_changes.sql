-- Changes of scenes that the plan is not about any more.
DELETE FROM media.plan_changes c
WHERE c.plan_id = $1 AND NOT EXISTS (SELECT FROM media.plan_scenes p WHERE p.plan_id = $1 AND p.scene_id = c.scene_id)
