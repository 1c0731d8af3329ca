-- Cancelled dispatches of which a message may still lie in a queue.
SELECT job_id, dispatch, control_id FROM tombstones ORDER BY created_at DESC LIMIT $1
