SELECT id, queue, reason, detail, message_id, message_type, content_type, body, properties, job_id, at
FROM dead_letters
WHERE $1::bigint IS NULL OR id < $1
ORDER BY id DESC
LIMIT $2
