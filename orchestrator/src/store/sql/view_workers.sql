SELECT jsonb_build_object(
    'session', session, 'host', host, 'version', version, 'types', types, 'concurrency', concurrency,
    'running', jsonb_array_length(running), 'draining', draining, 'started_at', started_at, 'seen_at', seen_at,
    'status', status
)
FROM workers
ORDER BY (status = 'live') DESC, seen_at DESC
LIMIT 1000
