-- Cancelled dispatches that no worker started and none will: every live worker of the type has obeyed the broadcast, and
-- what it sent before is folded.
SELECT jobs.id, jobs.dispatch
FROM tombstones JOIN jobs ON jobs.id = tombstones.job_id AND jobs.dispatch = tombstones.dispatch
WHERE jobs.status = 'cancelling' AND jobs.lease_session IS NULL AND jobs.workflow IS NULL
    AND tombstones.created_at < (SELECT folded_at FROM intake WHERE queue = 'events')
    AND NOT EXISTS (
        SELECT FROM workers
        LEFT JOIN cancel_acks ON cancel_acks.session = workers.session AND cancel_acks.control_id = tombstones.control_id
        WHERE workers.status = 'live' AND jobs.type = ANY (workers.types)
            AND (cancel_acks.acked_at IS NULL
                OR cancel_acks.acked_at >= (SELECT folded_at FROM intake WHERE queue = 'events'))
    )
LIMIT $1
