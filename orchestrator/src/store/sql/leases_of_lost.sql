-- Jobs whose worker is lost or gone, or was never known and has not been heard of for a while ($2).
SELECT jobs.id, jobs.dispatch, jobs.lease_session
FROM jobs LEFT JOIN workers ON workers.session = jobs.lease_session
WHERE jobs.lease_session IS NOT NULL AND (
    workers.status = 'lost'
    -- One that said goodbye has reported before what became of its jobs: that is folded first.
    OR workers.status = 'down' AND workers.seen_at < (SELECT folded_at FROM intake WHERE queue = 'events')
    OR workers.session IS NULL
        AND jobs.leased_at < (SELECT folded_at FROM intake WHERE queue = 'heartbeats') - make_interval(secs => $2)
)
LIMIT $1
