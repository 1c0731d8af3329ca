-- Since when a worker no longer lists a job that it holds. Listed again: never mind.
WITH listed AS (
    SELECT x.session, (entry ->> 'job_id')::uuid AS job_id, (entry ->> 'dispatch')::int AS dispatch
    FROM unnest($1::uuid[], $2::jsonb[]) AS x (session, running)
    CROSS JOIN LATERAL jsonb_array_elements(x.running) AS entry
), held AS (
    SELECT jobs.id, jobs.missing_since, EXISTS (
        SELECT FROM listed
        WHERE listed.session = jobs.lease_session AND listed.job_id = jobs.id AND listed.dispatch = jobs.dispatch
    ) AS is_listed
    FROM jobs WHERE jobs.lease_session = ANY($1)
)
UPDATE jobs SET missing_since = CASE WHEN held.is_listed THEN NULL ELSE clock_timestamp() END
FROM held
WHERE jobs.id = held.id AND held.is_listed = (held.missing_since IS NOT NULL)
