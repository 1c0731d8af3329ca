-- How many of the jobs that have not ended there are, by type and status; of the first $1. The order has them found by an index.
SELECT type, status, count(*) FROM (
    SELECT type, status FROM jobs
    WHERE status IN ('pending', 'running', 'cancelling')
    ORDER BY root_id, id
    LIMIT $1
) AS unfinished
GROUP BY type, status
