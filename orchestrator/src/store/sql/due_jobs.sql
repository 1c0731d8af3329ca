-- At most $1 jobs whose time has come, and $1 whose time is up (with it), in one question: it is asked five times a second. Of
-- workflows that go on in another fold only $2: each of them may be as much work as a fold may be.
SELECT id, NULL::timestamptz AS timeout_at
FROM (
    SELECT id, status, row_number() OVER (PARTITION BY status = 'pending' ORDER BY due_at) AS place
    FROM (
        SELECT id, status, due_at FROM jobs WHERE due_at <= clock_timestamp() AND paused IS NULL ORDER BY due_at LIMIT $1
    ) AS first
) AS due
WHERE status = 'pending' OR place <= $2
UNION ALL
(SELECT id, timeout_at FROM jobs WHERE timeout_at <= clock_timestamp() ORDER BY timeout_at LIMIT $1)
