-- Newest first. A scene with an open plan waits for that.
SELECT id FROM media.scenes
WHERE id < $1 AND analyzed_at IS NULL AND NOT missing
    AND NOT EXISTS (SELECT FROM media.plan_scenes p WHERE p.scene_id = scenes.id AND p.open)
ORDER BY id DESC LIMIT $2
