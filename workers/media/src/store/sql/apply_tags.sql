INSERT INTO media.tags (scene_id, name, plan_id)
SELECT scene_id, value, plan_id FROM media.plan_changes WHERE plan_id = $1 AND status = 'approved' AND kind = 'tag'
ON CONFLICT DO NOTHING
