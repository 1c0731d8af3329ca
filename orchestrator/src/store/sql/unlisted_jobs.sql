-- Jobs that their live worker has left out of its heartbeats for a while ($1), of at least two, and of which everything that
-- it sent before the first of them is folded: it holds them no more.
SELECT jobs.id, jobs.dispatch, jobs.lease_session
FROM jobs JOIN workers ON workers.session = jobs.lease_session
WHERE jobs.lease_session IS NOT NULL
    AND jobs.missing_since < clock_timestamp() - make_interval(secs => $1)
    AND jobs.leased_at < clock_timestamp() - make_interval(secs => $1)
    AND workers.seen_at > jobs.missing_since
    AND jobs.missing_since < (SELECT folded_at FROM intake WHERE queue = 'events')
LIMIT $2
