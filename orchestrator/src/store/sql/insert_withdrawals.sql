INSERT INTO withdrawals (job_id, dispatch, control_id)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[])
ON CONFLICT (job_id) DO UPDATE SET dispatch = EXCLUDED.dispatch, control_id = EXCLUDED.control_id, created_at = EXCLUDED.created_at
