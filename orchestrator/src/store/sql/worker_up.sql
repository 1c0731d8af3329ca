-- A worker is there. One that said goodbye stays gone: this was sent before.
INSERT INTO workers (session, host, version, types, concurrency, control_queue, last_seq, welcomed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp())
ON CONFLICT (session) DO UPDATE SET
    host = EXCLUDED.host, version = EXCLUDED.version, types = EXCLUDED.types, concurrency = EXCLUDED.concurrency,
    control_queue = EXCLUDED.control_queue, last_seq = greatest(workers.last_seq, EXCLUDED.last_seq),
    seen_at = clock_timestamp(), welcomed_at = clock_timestamp(), status = 'live'
WHERE workers.status <> 'down'
