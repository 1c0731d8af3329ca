-- Jobs that their live worker has not listed for one full lease.
SELECT jobs.id, jobs.dispatch, jobs.lease_session
FROM jobs JOIN workers ON workers.session = jobs.lease_session
WHERE jobs.lease_session IS NOT NULL
    AND jobs.missing_since < clock_timestamp() - make_interval(secs => $1)
    AND jobs.leased_at < clock_timestamp() - make_interval(secs => $1)
LIMIT $2
