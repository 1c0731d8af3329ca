INSERT INTO dead_letters (
    queue, reason, detail, message_id, message_type, content_type, body, whole_bytes, properties, job_id, redrives
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::bigint[], $9::jsonb[],
    $10::uuid[], $11::int[]
)
