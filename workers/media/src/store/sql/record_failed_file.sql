-- A file that is no good video. Its scene, if an earlier content made one, stays as it was.
INSERT INTO media.files AS f (path, title, size_bytes, modified_at, status, error) VALUES ($1, $2, $3, $4, 'failed', $5)
ON CONFLICT (path) DO UPDATE
SET size_bytes = excluded.size_bytes, modified_at = excluded.modified_at, status = 'failed', error = excluded.error,
    scanned_at = now()
