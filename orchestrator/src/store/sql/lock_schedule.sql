SELECT next_at, queued, runs, switched_on FROM schedules
WHERE name = $1 AND cron IS NOT NULL
FOR UPDATE
