-- Cancelled dispatches of which a message may still lie in a queue, the newest first. With the broadcast that told of it, if
-- its cancel has not settled yet.
SELECT tombstones.job_id, tombstones.dispatch, CASE WHEN jobs.status = 'cancelling' THEN tombstones.control_id END
FROM tombstones LEFT JOIN jobs ON jobs.id = tombstones.job_id
ORDER BY tombstones.created_at DESC
LIMIT $1
