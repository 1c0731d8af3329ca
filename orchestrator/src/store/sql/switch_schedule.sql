UPDATE schedules SET switched_on = $2, switched_at = clock_timestamp(), next_at = $3, queued = $4 WHERE name = $1
