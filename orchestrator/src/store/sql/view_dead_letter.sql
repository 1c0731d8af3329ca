SELECT id, queue, reason, detail, message_id, message_type, content_type, body, octet_length(body) AS body_bytes, properties,
    job_id, at
FROM dead_letters
WHERE id = $1
