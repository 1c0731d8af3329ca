-- The first of these dead letters, whole: as many as have at most $2 bytes together, but at least one.
WITH sized AS (
    SELECT id, row_number() OVER places AS position, sum(octet_length(body)) OVER places AS bytes
    FROM dead_letters WHERE id = ANY($1) WINDOW places AS (ORDER BY id)
)
SELECT dead_letters.id, queue, reason, detail, message_id, message_type, content_type, body,
    COALESCE(whole_bytes, octet_length(body)) AS body_bytes, whole_bytes IS NOT NULL AS truncated, properties, job_id,
    redrives, at
FROM sized JOIN dead_letters USING (id)
WHERE bytes <= $2 OR position = 1
ORDER BY dead_letters.id
