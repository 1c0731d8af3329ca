-- How many jobs without a parent ended in each period of $2 seconds since $1, by how they ended; of the newest $3.
SELECT date_bin(make_interval(secs => $2), finished_at, timestamptz 'epoch') AS period,
    count(*) FILTER (WHERE status IN ('completed', 'completed_with_errors')),
    count(*) FILTER (WHERE status = 'failed'),
    count(*) FILTER (WHERE status = 'cancelled')
FROM (
    SELECT finished_at, status FROM jobs
    WHERE parent_id IS NULL AND finished_at >= $1
    ORDER BY finished_at DESC
    LIMIT $3
) AS newest
GROUP BY period
ORDER BY period
