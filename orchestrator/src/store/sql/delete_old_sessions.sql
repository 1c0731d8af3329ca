DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at <= clock_timestamp() LIMIT $1)
