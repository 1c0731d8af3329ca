INSERT INTO items (job_id, dispatch, seq, name, item_values)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[], $5::jsonb[])
ON CONFLICT DO NOTHING
