-- What workers run and must not: the job is gone, has a newer dispatch, or belongs to another worker.
SELECT x.session, listed.job_id, listed.dispatch
FROM unnest($1::uuid[], $2::jsonb[]) AS x (session, running)
CROSS JOIN LATERAL (
    SELECT (entry ->> 'job_id')::uuid AS job_id, (entry ->> 'dispatch')::int AS dispatch
    FROM jsonb_array_elements(x.running) AS entry
) AS listed
LEFT JOIN jobs ON jobs.id = listed.job_id
WHERE jobs.id IS NULL OR jobs.dispatch > listed.dispatch
    OR (jobs.dispatch = listed.dispatch AND jobs.lease_session <> x.session)
LIMIT 10000
