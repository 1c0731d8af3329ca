-- $4: whether its definition has it on; $5: the next time. The same cron text keeps its place, so that a restart or an apply
-- loses no time that is open.
INSERT INTO schedules (name, cron, time_zone, next_at) VALUES ($1, $2, $3, CASE WHEN $4 THEN $5::timestamptz END)
ON CONFLICT (name) DO UPDATE SET
    cron = EXCLUDED.cron,
    time_zone = EXCLUDED.time_zone,
    next_at = CASE
        WHEN NOT COALESCE(schedules.switched_on, $4) THEN NULL
        WHEN schedules.cron = EXCLUDED.cron AND schedules.time_zone = EXCLUDED.time_zone THEN COALESCE(schedules.next_at, $5)
        ELSE $5
    END,
    queued = CASE
        WHEN COALESCE(schedules.switched_on, $4) AND schedules.cron = EXCLUDED.cron AND schedules.time_zone = EXCLUDED.time_zone
        THEN schedules.queued ELSE '{}'
    END
