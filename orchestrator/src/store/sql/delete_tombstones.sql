-- A tombstone is kept for as long as a message of its dispatch may turn up. In the queue of a paused type, or of one that no worker
-- takes, it may lie for however long: there its time begins anew.
WITH old AS (
    SELECT
        tombstones.job_id, tombstones.dispatch,
        EXISTS (SELECT FROM paused_types WHERE paused_types.name IN (jobs.type, '*') OR jobs.id IS NULL)
        OR jobs.id IS NOT NULL
        AND NOT EXISTS (SELECT FROM workers WHERE workers.status = 'live' AND jobs.type = ANY (workers.types)) AS may_lie
    FROM tombstones
    LEFT JOIN jobs ON jobs.id = tombstones.job_id
    WHERE tombstones.created_at < clock_timestamp() - make_interval(secs => $1)
        AND (jobs.id IS NULL OR jobs.status <> 'cancelling')
    ORDER BY tombstones.created_at LIMIT $2
),
renewed AS (
    UPDATE tombstones SET created_at = clock_timestamp()
    FROM old
    WHERE tombstones.job_id = old.job_id AND tombstones.dispatch = old.dispatch AND old.may_lie
)
DELETE FROM tombstones
USING old
WHERE tombstones.job_id = old.job_id AND tombstones.dispatch = old.dispatch AND NOT old.may_lie
