INSERT INTO logs (root_id, job_id, attempt, worker_session, seq, at, level, message, fields)
SELECT jobs.root_id, x.job_id, x.attempt, x.worker_session, x.seq, x.at, x.level, x.message, x.fields
FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::jsonb[])
    AS x (job_id, attempt, worker_session, seq, at, level, message, fields)
JOIN jobs ON jobs.id = x.job_id
ON CONFLICT (worker_session, seq) DO NOTHING
