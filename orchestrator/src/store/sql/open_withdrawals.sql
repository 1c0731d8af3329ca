-- Withdrawn dispatches of which a message may still lie in a queue. With the broadcast that told of it, while its acknowledgement
-- is or may be waited for.
SELECT withdrawals.job_id, withdrawals.dispatch, CASE WHEN jobs.paused IS NOT NULL THEN withdrawals.control_id END
FROM withdrawals LEFT JOIN jobs ON jobs.id = withdrawals.job_id
ORDER BY withdrawals.created_at DESC
LIMIT $1
