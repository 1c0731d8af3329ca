SELECT id, timeout_at FROM jobs WHERE timeout_at <= clock_timestamp() ORDER BY timeout_at LIMIT $1
