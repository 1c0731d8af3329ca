INSERT INTO media.generated (scene_id, kind, fingerprint, paths, error) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (scene_id, kind) DO UPDATE
SET fingerprint = excluded.fingerprint, paths = excluded.paths, error = excluded.error, made_at = now()
