-- Whoever comes second finds nothing: it is locked, or its next time is ahead.
SELECT next_at, queued, runs FROM schedules
WHERE name = $1 AND (
    next_at <= clock_timestamp()
    OR queued <> '{}' AND (last_outcome IS DISTINCT FROM 'failed' OR last_at < clock_timestamp() - interval '1 minute')
)
FOR UPDATE SKIP LOCKED
