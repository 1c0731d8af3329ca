-- The newest heartbeat of each worker. One that was thought lost lives again; its jobs stay with whoever has them.
INSERT INTO workers (session, host, version, types, concurrency, draining, running, last_seq, paused_version)
SELECT session, 'unknown', 'unknown', ARRAY(SELECT jsonb_array_elements_text(types)), 0, draining, running, seq,
    paused_version
FROM unnest($1::uuid[], $2::jsonb[], $3::bool[], $4::jsonb[], $5::bigint[], $6::bigint[])
    AS x (session, types, draining, running, seq, paused_version)
ON CONFLICT (session) DO UPDATE SET
    types = EXCLUDED.types, draining = EXCLUDED.draining, running = EXCLUDED.running, last_seq = EXCLUDED.last_seq,
    paused_version = EXCLUDED.paused_version, seen_at = clock_timestamp(), status = 'live'
WHERE workers.last_seq < EXCLUDED.last_seq AND workers.status <> 'down'
