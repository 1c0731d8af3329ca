-- The token of a hash, if it is worth anything. That it is used is noted once a minute.
WITH found AS (
    SELECT id, name, role, requests_per_minute, expires_at, last_used_at FROM tokens
    WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
), used AS (
    UPDATE tokens SET last_used_at = clock_timestamp()
    WHERE id IN (SELECT id FROM found WHERE last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')
)
SELECT id, name, role, requests_per_minute, expires_at FROM found
