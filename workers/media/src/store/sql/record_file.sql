-- A file that was probed. One that is gone from elsewhere and has the same content was moved here.
WITH moved AS (
    SELECT id FROM media.files
    WHERE status = 'gone' AND fingerprint = $5 AND size_bytes = $3
        AND NOT EXISTS (SELECT FROM media.files WHERE path = $1)
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
), renamed AS (
    UPDATE media.files SET path = $1, title = $2, modified_at = $4, status = 'ok', error = NULL, container = $6,
        duration_seconds = $7, video_codec = $8, audio_codec = $9, width = $10, height = $11, frame_rate = $12,
        bit_rate = $13, revision = revision + 1, scanned_at = now()
    WHERE id = (SELECT id FROM moved)
    RETURNING id
), written AS (
    INSERT INTO media.files AS f (path, title, size_bytes, modified_at, status, fingerprint, container,
        duration_seconds, video_codec, audio_codec, width, height, frame_rate, bit_rate)
    SELECT $1, $2, $3, $4, 'ok', $5, $6, $7, $8, $9, $10, $11, $12, $13
    WHERE NOT EXISTS (SELECT FROM renamed)
    ON CONFLICT (path) DO UPDATE
    SET title = excluded.title, size_bytes = excluded.size_bytes, modified_at = excluded.modified_at, status = 'ok',
        error = NULL, fingerprint = excluded.fingerprint, container = excluded.container,
        duration_seconds = excluded.duration_seconds, video_codec = excluded.video_codec,
        audio_codec = excluded.audio_codec, width = excluded.width, height = excluded.height,
        frame_rate = excluded.frame_rate, bit_rate = excluded.bit_rate, revision = f.revision + 1, scanned_at = now()
)
SELECT EXISTS (SELECT FROM renamed)
