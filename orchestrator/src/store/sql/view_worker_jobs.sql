-- What these workers ($1) run, up to $2 jobs.
SELECT lease_session, id, type, status, (progress / 100.0)::float8, started_at
FROM jobs
WHERE lease_session = ANY ($1)
ORDER BY lease_session, started_at
LIMIT $2
