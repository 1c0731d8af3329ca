-- Keeps log lines, and notes how much there is of each job: $9 for each line beside its texts, and of the jobs $10 how many
-- lines were dropped ($11). Sizes are written in one order by everybody. Gives what is dropped by now where something was.
WITH inserted AS (
    INSERT INTO logs (root_id, job_id, attempt, worker_session, seq, at, level, message, fields)
    SELECT jobs.root_id, x.job_id, x.attempt, x.worker_session, x.seq, x.at, x.level, x.message, x.fields
    FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::jsonb[])
        AS x (job_id, attempt, worker_session, seq, at, level, message, fields)
    JOIN jobs ON jobs.id = x.job_id
    ON CONFLICT (worker_session, seq) DO NOTHING
    RETURNING job_id, root_id, octet_length(message) + octet_length(fields::text) + $9::bigint AS bytes
), grown AS (
    SELECT job_id, root_id, bytes, 0 AS dropped FROM inserted
    UNION ALL
    SELECT jobs.id, jobs.root_id, 0, x.dropped
    FROM unnest($10::uuid[], $11::bigint[]) AS x (job_id, dropped) JOIN jobs ON jobs.id = x.job_id
), noted AS (
    INSERT INTO log_sizes (job_id, root_id, bytes, dropped)
    SELECT job_id, root_id, sum(bytes), sum(dropped) FROM grown GROUP BY job_id, root_id ORDER BY job_id
    ON CONFLICT (job_id) DO UPDATE SET
        bytes = log_sizes.bytes + EXCLUDED.bytes, dropped = log_sizes.dropped + EXCLUDED.dropped
    RETURNING job_id, dropped, notice_id
)
SELECT job_id, dropped, notice_id FROM noted WHERE job_id = ANY($10)
