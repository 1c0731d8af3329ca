-- At most $1 jobs whose time has come, and $1 whose time is up (with it), in one question: it is asked five times a second.
(SELECT id, NULL::timestamptz AS timeout_at FROM jobs WHERE due_at <= clock_timestamp() AND paused IS NULL ORDER BY due_at LIMIT $1)
UNION ALL
(SELECT id, timeout_at FROM jobs WHERE timeout_at <= clock_timestamp() ORDER BY timeout_at LIMIT $1)
