-- What failed keeps its queued times, and is looked at again a minute later.
SELECT name FROM schedules
WHERE next_at <= clock_timestamp()
    OR queued <> '{}' AND (last_outcome IS DISTINCT FROM 'failed' OR last_at < clock_timestamp() - interval '1 minute')
    AND NOT EXISTS (
        SELECT FROM jobs WHERE id = ANY (schedules.runs) AND status IN ('pending', 'running', 'cancelling')
    )
ORDER BY next_at NULLS LAST
LIMIT $1
