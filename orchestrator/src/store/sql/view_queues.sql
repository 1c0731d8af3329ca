-- Each job type with what waits for a worker (counted up to $1), since when the oldest has, what runs, and who takes it.
WITH takers AS (
    SELECT name, count(*) AS live, sum(concurrency)::bigint AS slots
    FROM workers CROSS JOIN LATERAL unnest(types) AS name
    WHERE status = 'live'
    GROUP BY name
), at_work AS (
    SELECT type, count(*) AS running FROM jobs WHERE lease_session IS NOT NULL GROUP BY type
)
SELECT job_types.name, job_types.title, waiting.count, waiting.oldest_at, COALESCE(at_work.running, 0),
    COALESCE(takers.live, 0), COALESCE(takers.slots, 0), paused.name, paused.reason, paused.paused_at
FROM job_types
LEFT JOIN takers ON takers.name = job_types.name
LEFT JOIN at_work ON at_work.type = job_types.name
CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(oldest.updated_at) AS oldest_at FROM (
        SELECT updated_at FROM jobs
        WHERE status = 'pending' AND dispatch > 0 AND due_at IS NULL AND paused IS NULL AND type = job_types.name
        ORDER BY id
        LIMIT $1
    ) AS oldest
) AS waiting
LEFT JOIN LATERAL (
    SELECT name, reason, paused_at FROM paused_types WHERE paused_types.name IN (job_types.name, '*') ORDER BY name LIMIT 1
) AS paused ON true
ORDER BY job_types.name
LIMIT 1000
