-- Dispatches that were published to data that the broker no longer has, and that nobody has started. Those that still lie in
-- the outbox will be published.
SELECT jobs.id, jobs.dispatch
FROM jobs
WHERE jobs.status = 'pending' AND jobs.id > $2 AND jobs.workflow IS NULL AND jobs.due_at IS NULL AND jobs.dispatch > 0
    AND jobs.published_epoch IS DISTINCT FROM $1
    AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id AND outbox.dispatch = jobs.dispatch)
ORDER BY jobs.id
LIMIT $3
