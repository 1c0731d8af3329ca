-- Jobs that were published to data of the broker that is gone, and not started.
SELECT id, dispatch FROM jobs
WHERE status = 'pending' AND workflow IS NULL AND dispatch > 0 AND due_at IS NULL
    AND published_epoch IS DISTINCT FROM $1
    AND id > $2
ORDER BY id
LIMIT $3
