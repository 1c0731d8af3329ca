-- Withdrawn dispatches of resumed jobs that no worker started and none will: every live worker of the type has obeyed the
-- broadcast, and what it sent before is folded. A worker that acknowledges no withdrawals is not waited for longer than $2.
SELECT jobs.id, jobs.dispatch
FROM jobs LEFT JOIN withdrawals ON withdrawals.job_id = jobs.id AND withdrawals.dispatch = jobs.dispatch
WHERE jobs.paused ->> 'reason' = 'settling' AND jobs.status = 'pending' AND jobs.lease_session IS NULL
    AND (
        withdrawals.job_id IS NULL
        OR withdrawals.created_at < clock_timestamp() - make_interval(secs => $2)
        OR withdrawals.created_at < (SELECT folded_at FROM intake WHERE queue = 'events')
            AND NOT EXISTS (
                SELECT FROM workers
                LEFT JOIN cancel_acks ON cancel_acks.session = workers.session AND cancel_acks.control_id = withdrawals.control_id
                WHERE workers.status = 'live' AND jobs.type = ANY (workers.types)
                    AND (cancel_acks.acked_at IS NULL
                        OR cancel_acks.acked_at >= (SELECT folded_at FROM intake WHERE queue = 'events'))
            )
    )
LIMIT $1
