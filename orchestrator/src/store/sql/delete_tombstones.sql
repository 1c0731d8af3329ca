-- A tombstone is kept for as long as a message of its dispatch may turn up, and while it may lie in the queue of a paused
-- type; workers keep theirs in memory.
DELETE FROM tombstones
WHERE (job_id, dispatch) IN (
    SELECT tombstones.job_id, tombstones.dispatch FROM tombstones
    LEFT JOIN jobs ON jobs.id = tombstones.job_id
    WHERE tombstones.created_at < clock_timestamp() - make_interval(secs => $1)
        AND (jobs.id IS NULL OR jobs.status <> 'cancelling')
        AND NOT EXISTS (
            SELECT FROM paused_types
            WHERE paused_types.name IN (jobs.type, '*') OR jobs.id IS NULL
        )
    ORDER BY tombstones.created_at LIMIT $2
)
