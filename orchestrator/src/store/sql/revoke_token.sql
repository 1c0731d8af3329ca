-- Revokes a token, and ends the sessions that were opened with it. Its name; no row: there is no such token.
WITH revoked AS (
    UPDATE tokens SET revoked_at = COALESCE(revoked_at, clock_timestamp()) WHERE id = $1 RETURNING name, hash
), ended AS (
    DELETE FROM sessions WHERE token_hash IN (SELECT hash FROM revoked)
)
SELECT name FROM revoked
