DELETE FROM media.markers USING media.plan_scenes p JOIN media.scenes s ON s.id = p.scene_id AND s.fingerprint = p.fingerprint
WHERE p.plan_id = $1 AND markers.scene_id = p.scene_id AND markers.plan_id IS NOT NULL AND markers.plan_id <> $1
