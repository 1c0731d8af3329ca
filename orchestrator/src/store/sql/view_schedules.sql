SELECT
    schedules.name, current_definitions.hash, switched_on, switched_at, next_at, cardinality(queued), last_at, last_outcome,
    last_reason, jobs.id, jobs.status, clock_timestamp()
FROM schedules
JOIN current_definitions USING (name)
LEFT JOIN jobs ON jobs.id = schedules.last_job_id
WHERE cron IS NOT NULL AND schedules.name > $1 AND ($2::text IS NULL OR schedules.name = $2)
ORDER BY schedules.name
LIMIT $3
