-- What a crash or a failed publish left behind.
UPDATE outbox SET claimed_until = clock_timestamp() + make_interval(secs => $2), claimed_by = $3
WHERE id IN (
    SELECT id FROM outbox WHERE claimed_until < clock_timestamp()
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING id, kind, job_id, dispatch, body
