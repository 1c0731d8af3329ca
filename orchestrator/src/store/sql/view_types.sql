-- What workers announced, and who takes it now. A live worker is seen with every heartbeat.
SELECT jsonb_build_object(
    'type', job_types.name, 'title', job_types.title, 'unit', job_types.unit, 'params_schema', job_types.params_schema,
    'result_schema', job_types.result_schema, 'last_seen_at', greatest(job_types.announced_at, takers.seen_at),
    'live_workers', COALESCE(takers.live, 0)
)
FROM job_types
LEFT JOIN (
    SELECT name, count(*) FILTER (WHERE status = 'live') AS live, max(seen_at) AS seen_at
    FROM workers CROSS JOIN LATERAL unnest(types) AS name
    GROUP BY name
) AS takers ON takers.name = job_types.name
ORDER BY job_types.name
LIMIT 1000
