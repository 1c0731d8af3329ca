INSERT INTO batches (job_id, step_index, batch_index, items)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[])
