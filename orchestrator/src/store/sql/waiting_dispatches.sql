-- Dispatches after ($1, $2), of one type ($3) or of all, that were published this long ago ($4) and that nobody is known to
-- have started. What the outbox owes is not published yet.
SELECT jobs.type, jobs.id, jobs.dispatch
FROM jobs
WHERE jobs.status = 'pending' AND jobs.dispatch > 0 AND jobs.due_at IS NULL AND jobs.paused IS NULL AND jobs.workflow IS NULL
    AND (jobs.type, jobs.id) > ($1, $2)
    AND ($3::text IS NULL OR jobs.type = $3)
    AND jobs.updated_at < clock_timestamp() - make_interval(secs => $4)
    AND NOT EXISTS (SELECT FROM outbox WHERE outbox.job_id = jobs.id AND outbox.dispatch = jobs.dispatch)
ORDER BY jobs.type, jobs.id
LIMIT $5
