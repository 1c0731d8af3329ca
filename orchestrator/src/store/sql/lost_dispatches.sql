-- Dispatches after ($2, $3) that were written for data that the broker no longer has, and that nobody is known to have started.
-- Those that still lie in the outbox too: the old data may have had them all the same, with the confirm, and what a worker then
-- said of them, lost; it would not begin the same dispatch twice. What is paused gets a new dispatch when it is resumed.
SELECT jobs.type, jobs.id, jobs.dispatch
FROM jobs
WHERE jobs.status = 'pending' AND jobs.dispatch > 0 AND jobs.due_at IS NULL AND jobs.paused IS NULL AND jobs.workflow IS NULL
    AND (jobs.type, jobs.id) > ($2, $3)
    AND jobs.published_epoch IS DISTINCT FROM $1
ORDER BY jobs.type, jobs.id
LIMIT $4
