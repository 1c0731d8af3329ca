SELECT s.id, s.title, s.fingerprint, s.missing, s.analyzed_at IS NOT NULL AS analyzed,
    EXISTS (SELECT FROM media.plan_scenes p WHERE p.scene_id = s.id AND p.open) AS planned,
    f.path, f.status, f.fingerprint AS file_fingerprint, f.duration_seconds, f.video_codec, f.width, f.height
FROM media.scenes s JOIN media.files f ON f.id = s.file_id
WHERE s.id = ANY ($1::bigint[])
