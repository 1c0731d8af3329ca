SELECT id, queue, reason, detail, message_id, message_type, content_type, body,
    COALESCE(whole_bytes, octet_length(body)) AS body_bytes, whole_bytes IS NOT NULL AS truncated, properties, job_id,
    redrives, at
FROM dead_letters
WHERE id = $1
