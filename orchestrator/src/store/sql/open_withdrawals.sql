-- Withdrawn dispatches of which a message may still lie in a queue.
SELECT job_id, dispatch FROM withdrawals ORDER BY created_at DESC LIMIT $1
