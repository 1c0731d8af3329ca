SELECT token_hash, expires_at FROM sessions WHERE hash = $1 AND expires_at > clock_timestamp()
