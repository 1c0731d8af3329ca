-- Whoever comes second finds nothing: it is locked, or its next time is ahead.
SELECT next_at, queued, runs FROM schedules
WHERE name = $1 AND (next_at <= clock_timestamp() OR queued <> '{}')
FOR UPDATE SKIP LOCKED
