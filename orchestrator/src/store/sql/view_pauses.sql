-- What is paused, since when and why, and how many of the live workers that would take it have heard of it. $1: only this.
SELECT jsonb_build_object(
    'type', paused_types.name, 'paused', true, 'paused_at', paused_types.paused_at, 'reason', paused_types.reason,
    'workers', jsonb_build_object(
        'live', count(workers.session),
        'acknowledged', count(*) FILTER (WHERE workers.paused_version >= paused_types.version),
        'unaware', count(*) FILTER (WHERE workers.paused_version < 0)
    )
)
FROM paused_types
LEFT JOIN workers ON workers.status = 'live' AND (paused_types.name = '*' OR paused_types.name = ANY (workers.types))
WHERE $1::text IS NULL OR paused_types.name = $1
GROUP BY paused_types.name
ORDER BY paused_types.name
LIMIT 1000
