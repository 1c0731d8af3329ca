INSERT INTO tombstones (job_id, dispatch, control_id)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[])
ON CONFLICT (job_id, dispatch) DO UPDATE SET control_id = EXCLUDED.control_id, created_at = EXCLUDED.created_at
