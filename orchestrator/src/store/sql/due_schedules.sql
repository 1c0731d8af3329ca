SELECT name FROM schedules
WHERE next_at <= clock_timestamp()
    OR queued <> '{}' AND NOT EXISTS (
        SELECT FROM jobs WHERE id = ANY (schedules.runs) AND status IN ('pending', 'running', 'cancelling')
    )
ORDER BY next_at NULLS LAST
LIMIT $1
