-- A withdrawal is kept for as long as a message of its dispatch may turn up, and while the job or its type is paused.
DELETE FROM withdrawals
WHERE job_id IN (
    SELECT withdrawals.job_id FROM withdrawals
    LEFT JOIN jobs ON jobs.id = withdrawals.job_id
    WHERE withdrawals.created_at < clock_timestamp() - make_interval(secs => $1)
        AND jobs.paused IS NULL
        AND NOT EXISTS (
            SELECT FROM paused_types
            WHERE paused_types.name IN (jobs.type, '*') OR jobs.id IS NULL
        )
    ORDER BY withdrawals.created_at LIMIT $2
)
