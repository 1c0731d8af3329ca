UPDATE media.scenes SET analyzed_at = COALESCE(analyzed_at, now()), updated_at = now()
FROM media.plan_scenes p WHERE p.plan_id = $1 AND scenes.id = p.scene_id AND scenes.fingerprint = p.fingerprint
