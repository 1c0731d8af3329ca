-- A page of dead letters, newest first, each with the beginning of its body. With how many were found, the one behind the
-- page included; the page ends where its letters have more than $6 bytes, but has at least one. Planned anew for each call.
WITH page AS (
    SELECT id, queue, reason, detail, message_id, message_type, content_type, substring(body FOR $5) AS body,
        COALESCE(whole_bytes, octet_length(body)) AS body_bytes, whole_bytes IS NOT NULL AS truncated, properties, job_id,
        redrives, at
    FROM dead_letters
    WHERE id < $1 AND ($2::text IS NULL OR queue = $2) AND ($3::text IS NULL OR reason = $3)
    ORDER BY id DESC
    LIMIT $4::bigint + 1
), sized AS (
    SELECT page.*, row_number() OVER places AS position, count(*) OVER () AS found,
        sum(octet_length(body) + octet_length(properties::text)) OVER places AS bytes
    FROM page WINDOW places AS (ORDER BY id DESC)
)
SELECT * FROM sized
WHERE position <= $4 AND (bytes <= $6::bigint OR position = 1)
ORDER BY id DESC
