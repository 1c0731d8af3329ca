-- A page of dead letters, newest first, each with the beginning of its body.
SELECT id, queue, reason, detail, message_id, message_type, content_type, substring(body FOR $3) AS body,
    octet_length(body) AS body_bytes, properties, job_id, at
FROM dead_letters
WHERE id < $1
ORDER BY id DESC
LIMIT $2
