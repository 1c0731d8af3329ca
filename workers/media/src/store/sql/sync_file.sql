-- Makes the scene of a file what the file is. New content makes what was found out about the old one worthless.
WITH due AS (
    SELECT * FROM media.files WHERE id = $1 AND status IN ('ok', 'gone') FOR UPDATE
), made AS (
    INSERT INTO media.scenes AS s (file_id, title, fingerprint)
    SELECT id, title, fingerprint FROM due WHERE status = 'ok'
    ON CONFLICT (file_id) DO UPDATE
    SET title = excluded.title, fingerprint = excluded.fingerprint, missing = false, missing_at = NULL,
        analyzed_at = CASE WHEN s.fingerprint = excluded.fingerprint THEN s.analyzed_at END, updated_at = now()
    RETURNING (xmax = 0) AS created
), lost AS (
    UPDATE media.scenes SET missing = true, missing_at = COALESCE(missing_at, now()), updated_at = now()
    FROM due WHERE due.status = 'gone' AND scenes.file_id = due.id
    RETURNING 1
), noted AS (
    UPDATE media.files SET synced_revision = due.revision FROM due WHERE files.id = due.id
)
SELECT (SELECT count(*) FROM made WHERE created),
    (SELECT count(*) FROM made WHERE NOT created) + (SELECT count(*) FROM lost)
