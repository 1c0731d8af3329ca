INSERT INTO dead_letters (queue, reason, detail, message_id, message_type, content_type, body, properties, job_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::jsonb[], $9::uuid[])
