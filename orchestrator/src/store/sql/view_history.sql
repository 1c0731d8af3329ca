SELECT id, jsonb_build_object(
    'id', id, 'at', at, 'job_id', job_id, 'attempt', attempt, 'dispatch', dispatch, 'kind', kind, 'detail', detail
)
FROM history
WHERE root_id = (SELECT root_id FROM jobs WHERE id = $1)
    AND (job_id = $1 OR $1 = root_id) AND id > $2
ORDER BY id
LIMIT $3
