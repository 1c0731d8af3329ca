INSERT INTO media.markers (scene_id, at_ms, title, plan_id)
SELECT scene_id, at_ms, value, plan_id FROM media.plan_changes
WHERE plan_id = $1 AND status = 'approved' AND kind = 'marker'
ON CONFLICT DO NOTHING
