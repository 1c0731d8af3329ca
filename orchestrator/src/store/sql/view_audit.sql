-- A page of the audit, newest first. Planned anew for each call.
SELECT id, jsonb_build_object(
    'id', id, 'at', at, 'token_id', token_id, 'token_name', token_name, 'role', role, 'action', action, 'target', target,
    'status', status, 'address', address, 'detail', detail
)
FROM audit
WHERE id < $1 AND ($2::text IS NULL OR token_name = $2) AND ($3::text IS NULL OR action = $3)
    AND ($4::text IS NULL OR target = $4)
ORDER BY id DESC
LIMIT $5
