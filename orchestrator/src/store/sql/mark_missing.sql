-- Since when a worker no longer lists a job that it holds. Listed again: never mind. A job whose row is being written is left
-- to the next heartbeat: the fold locks roots first, and whoever waits here for single rows could stand in its way.
WITH listed AS (
    SELECT x.session, (entry ->> 'job_id')::uuid AS job_id, (entry ->> 'dispatch')::int AS dispatch
    FROM unnest($1::uuid[], $2::jsonb[]) AS x (session, running)
    CROSS JOIN LATERAL jsonb_array_elements(x.running) AS entry
), changed AS (
    SELECT jobs.id, listed.job_id IS NOT NULL AS is_listed
    FROM jobs LEFT JOIN listed
        ON listed.session = jobs.lease_session AND listed.job_id = jobs.id AND listed.dispatch = jobs.dispatch
    WHERE jobs.lease_session = ANY($1) AND (listed.job_id IS NOT NULL) = (jobs.missing_since IS NOT NULL)
    FOR NO KEY UPDATE OF jobs SKIP LOCKED
)
UPDATE jobs SET missing_since = CASE WHEN changed.is_listed THEN NULL ELSE clock_timestamp() END
FROM changed
WHERE jobs.id = changed.id
