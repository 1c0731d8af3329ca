INSERT INTO sessions (hash, token_hash, expires_at) VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
