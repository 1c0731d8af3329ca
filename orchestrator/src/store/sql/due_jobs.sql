SELECT id FROM jobs WHERE due_at <= clock_timestamp() AND paused IS NULL ORDER BY due_at LIMIT $1
