-- Newest first. A scene with an open plan waits for that, and one whose file is not what it was for the next sync.
SELECT s.id FROM media.scenes s
JOIN media.files f ON f.id = s.file_id AND f.status = 'ok' AND f.fingerprint = s.fingerprint
WHERE s.id < $1 AND s.analyzed_at IS NULL AND NOT s.missing
    AND NOT EXISTS (SELECT FROM media.plan_scenes p WHERE p.scene_id = s.id AND p.open)
ORDER BY s.id DESC LIMIT $2
