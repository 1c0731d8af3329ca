INSERT INTO withdrawals (job_id, dispatch)
SELECT * FROM unnest($1::uuid[], $2::int[])
ON CONFLICT (job_id) DO UPDATE SET dispatch = EXCLUDED.dispatch, created_at = EXCLUDED.created_at
