-- Makes the scenes of files what the files are, in the order of the files: plans lock scenes in that, too. New content makes
-- what was found out about the old one worthless.
WITH due AS MATERIALIZED (
    SELECT id, status, title, fingerprint, revision FROM media.files
    WHERE id = ANY ($1::bigint[]) AND status IN ('ok', 'gone') ORDER BY id FOR NO KEY UPDATE
), wanted AS (
    SELECT id, title, fingerprint, false AS missing FROM due WHERE status = 'ok'
    UNION ALL
    -- A scene without file stays what it was.
    SELECT due.id, s.title, s.fingerprint, true FROM due JOIN media.scenes s ON s.file_id = due.id
    WHERE due.status = 'gone'
), made AS (
    INSERT INTO media.scenes AS s (file_id, title, fingerprint, missing, missing_at)
    SELECT id, title, fingerprint, missing, CASE WHEN missing THEN now() END FROM wanted ORDER BY id
    ON CONFLICT (file_id) DO UPDATE
    SET title = CASE WHEN excluded.missing THEN s.title ELSE excluded.title END,
        fingerprint = CASE WHEN excluded.missing THEN s.fingerprint ELSE excluded.fingerprint END,
        missing = excluded.missing,
        missing_at = CASE WHEN excluded.missing THEN COALESCE(s.missing_at, excluded.missing_at) END,
        analyzed_at = CASE WHEN excluded.missing OR s.fingerprint = excluded.fingerprint THEN s.analyzed_at END,
        updated_at = now()
    RETURNING (xmax = 0) AS created
), noted AS (
    UPDATE media.files SET synced_revision = due.revision FROM due WHERE files.id = due.id
)
SELECT count(*) FILTER (WHERE created), count(*) FILTER (WHERE NOT created) FROM made
