-- A withdrawal is kept for as long as a message of its dispatch may turn up, and while the job is paused. In the queue of a paused
-- type, or of one that no worker takes, a message may lie for however long: there its time begins anew.
WITH old AS (
    SELECT
        withdrawals.job_id,
        EXISTS (SELECT FROM paused_types WHERE paused_types.name IN (jobs.type, '*') OR jobs.id IS NULL)
        OR jobs.id IS NOT NULL
        AND NOT EXISTS (SELECT FROM workers WHERE workers.status = 'live' AND jobs.type = ANY (workers.types)) AS may_lie
    FROM withdrawals
    LEFT JOIN jobs ON jobs.id = withdrawals.job_id
    WHERE withdrawals.created_at < clock_timestamp() - make_interval(secs => $1) AND jobs.paused IS NULL
    ORDER BY withdrawals.created_at LIMIT $2
),
renewed AS (
    UPDATE withdrawals SET created_at = clock_timestamp() FROM old WHERE withdrawals.job_id = old.job_id AND old.may_lie
)
DELETE FROM withdrawals USING old WHERE withdrawals.job_id = old.job_id AND NOT old.may_lie
