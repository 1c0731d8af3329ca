-- Jobs that their live worker has not listed for one full lease, as far as its lists are folded.
SELECT jobs.id, jobs.dispatch, jobs.lease_session
FROM jobs
JOIN workers ON workers.session = jobs.lease_session
CROSS JOIN (SELECT folded_at - make_interval(secs => $1) AS listed_through FROM intake WHERE queue = 'heartbeats') AS lists
WHERE jobs.lease_session IS NOT NULL AND jobs.missing_since < listed_through AND jobs.leased_at < listed_through
LIMIT $2
