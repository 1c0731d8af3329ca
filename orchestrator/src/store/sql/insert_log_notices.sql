-- The line of each of these jobs that says how many of its lines were dropped.
WITH noticed AS (
    INSERT INTO logs (root_id, job_id, attempt, seq, at, level, message, fields)
    SELECT jobs.root_id, jobs.id, jobs.attempt, 0, clock_timestamp(), 'warn', x.message, x.fields
    FROM unnest($1::uuid[], $2::text[], $3::jsonb[]) AS x (job_id, message, fields) JOIN jobs ON jobs.id = x.job_id
    RETURNING id, job_id
)
UPDATE log_sizes SET notice_id = noticed.id FROM noticed WHERE log_sizes.job_id = noticed.job_id
