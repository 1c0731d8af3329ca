-- Tokens, those that are worth something first, then the newest.
SELECT jsonb_build_object(
    'id', id, 'name', name, 'role', role, 'requests_per_minute', requests_per_minute, 'created_at', created_at,
    'created_by', created_by, 'last_used_at', last_used_at, 'expires_at', expires_at, 'revoked_at', revoked_at,
    'status', CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= clock_timestamp() THEN 'expired' ELSE 'live' END
)
FROM tokens
ORDER BY revoked_at IS NOT NULL, created_at DESC, id
LIMIT $1
