-- Workers that are long gone ($1 seconds), at most $2. What holds a lease stays: its jobs are found by it.
DELETE FROM workers
WHERE status <> 'live' AND session IN (
    SELECT session FROM workers
    WHERE status <> 'live' AND seen_at < clock_timestamp() - make_interval(secs => $1)
        AND NOT EXISTS (SELECT FROM jobs WHERE lease_session = workers.session)
    LIMIT $2
)
