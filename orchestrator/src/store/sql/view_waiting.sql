-- Each job type, and how long the first of its jobs has been published and not started, in seconds.
SELECT job_types.name, (
    SELECT extract(epoch FROM clock_timestamp() - updated_at)::float8 FROM jobs
    WHERE status = 'pending' AND dispatch > 0 AND due_at IS NULL AND paused IS NULL AND type = job_types.name
    ORDER BY id LIMIT 1
)
FROM job_types
ORDER BY job_types.name
LIMIT $1
