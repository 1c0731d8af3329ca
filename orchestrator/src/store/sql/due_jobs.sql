SELECT id FROM jobs WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT $1
