UPDATE schedules SET cron = NULL, time_zone = NULL, next_at = NULL, queued = '{}' WHERE name = $1 AND cron IS NOT NULL
