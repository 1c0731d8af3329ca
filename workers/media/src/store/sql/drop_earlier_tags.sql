-- What earlier plans wrote on these scenes; what people wrote stays.
DELETE FROM media.tags USING media.plan_scenes p JOIN media.scenes s ON s.id = p.scene_id AND s.fingerprint = p.fingerprint
WHERE p.plan_id = $1 AND tags.scene_id = p.scene_id AND tags.plan_id IS NOT NULL AND tags.plan_id <> $1
