-- What workers run and must not: the job is gone, has a newer dispatch, belongs to another worker, or is over. One that has
-- just ended may have ended there, and only its last word is not confirmed yet.
SELECT x.session, listed.job_id, listed.dispatch
FROM unnest($1::uuid[], $2::jsonb[]) AS x (session, running)
CROSS JOIN LATERAL (
    SELECT (entry ->> 'job_id')::uuid AS job_id, (entry ->> 'dispatch')::int AS dispatch
    FROM jsonb_array_elements(x.running) AS entry
) AS listed
LEFT JOIN jobs ON jobs.id = listed.job_id
WHERE jobs.id IS NULL OR jobs.dispatch > listed.dispatch
    OR (jobs.dispatch = listed.dispatch AND jobs.lease_session <> x.session)
    OR (jobs.dispatch = listed.dispatch AND (jobs.finished_at IS NOT NULL OR jobs.due_at IS NOT NULL)
        AND jobs.updated_at < clock_timestamp() - interval '2 seconds')
LIMIT 10000
