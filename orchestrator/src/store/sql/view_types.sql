SELECT jsonb_build_object(
    'type', job_types.name, 'title', job_types.title, 'unit', job_types.unit, 'params_schema', job_types.params_schema,
    'result_schema', job_types.result_schema, 'last_seen_at', job_types.announced_at,
    'live_workers', (SELECT count(*) FROM workers WHERE status = 'live' AND job_types.name = ANY (workers.types))
)
FROM job_types
ORDER BY job_types.name
LIMIT 1000
