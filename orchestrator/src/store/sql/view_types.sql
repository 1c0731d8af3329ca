-- What workers announced, who takes it now, and whether it is paused. A live worker is seen with every heartbeat.
SELECT jsonb_build_object(
    'type', job_types.name, 'title', job_types.title, 'unit', job_types.unit, 'params_schema', job_types.params_schema,
    'result_schema', job_types.result_schema, 'last_seen_at', greatest(job_types.announced_at, takers.seen_at),
    'live_workers', COALESCE(takers.live, 0), 'paused', paused.at IS NOT NULL, 'paused_at', paused.at
)
FROM job_types
LEFT JOIN (
    SELECT name, count(*) FILTER (WHERE status = 'live') AS live, max(seen_at) AS seen_at
    FROM workers CROSS JOIN LATERAL unnest(types) AS name
    GROUP BY name
) AS takers ON takers.name = job_types.name
CROSS JOIN LATERAL (
    SELECT min(paused_at) AS at FROM paused_types WHERE paused_types.name IN (job_types.name, '*')
) AS paused
ORDER BY job_types.name
LIMIT 1000
