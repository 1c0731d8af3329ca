-- What decides why these jobs ($1) are where they are. Counts go up to $2. Each job costs a few looks into indexes.
SELECT jobs.id, jobs.type, jobs.status, jobs.attempt::bigint, jobs.failures::bigint, jobs.dispatch, jobs.definition_hash, jobs.definition_path,
    jobs.metadata, (jobs.policy #>> '{retry,attempts}')::bigint AS attempts, jobs.paused ->> 'reason' AS paused,
    jobs.policy ->> 'wait_for' AS wait_for, extract(epoch FROM clock_timestamp() - jobs.started_at)::float8 AS started_seconds,
    jobs.error ->> 'message' AS error, jobs.parked IS NOT NULL AS parked,
    extract(epoch FROM jobs.due_at - clock_timestamp())::float8 AS due_seconds,
    extract(epoch FROM jobs.timeout_at - clock_timestamp())::float8 AS timeout_seconds,
    jobs.id IN (SELECT job_id FROM outbox WHERE kind = 'job' AND job_id = ANY ($1)) AS owed,
    holder.host AS holder, extract(epoch FROM clock_timestamp() - holder.seen_at)::float8 AS silent_seconds,
    (SELECT name FROM paused_types WHERE name IN (jobs.type, '*') ORDER BY name LIMIT 1) AS paused_type,
    (SELECT reason FROM paused_types WHERE name IN (jobs.type, '*') ORDER BY name LIMIT 1) AS paused_type_reason,
    takers.live, takers.draining, takers.slots, takers.busy, takers.unacknowledged,
    CASE WHEN jobs.status = 'pending' AND jobs.dispatch > 0 THEN (
        SELECT count(*) FROM (
            SELECT FROM jobs AS ahead
            WHERE ahead.status = 'pending' AND ahead.dispatch > 0 AND ahead.due_at IS NULL AND ahead.paused IS NULL
                AND ahead.type = jobs.type AND ahead.id < jobs.id
            LIMIT $2
        ) AS found
    ) END AS ahead
FROM jobs
LEFT JOIN workers AS holder ON holder.session = jobs.lease_session
CROSS JOIN LATERAL (
    SELECT count(*) AS live, count(*) FILTER (WHERE workers.draining) AS draining,
        COALESCE(sum(workers.concurrency), 0)::bigint AS slots,
        COALESCE(sum(jsonb_array_length(workers.running)), 0)::bigint AS busy,
        count(*) FILTER (WHERE jobs.status = 'cancelling' AND NOT EXISTS (
            SELECT FROM tombstones JOIN cancel_acks USING (control_id)
            WHERE tombstones.job_id = jobs.id AND tombstones.dispatch = jobs.dispatch AND cancel_acks.session = workers.session
        )) AS unacknowledged
    FROM workers
    WHERE workers.status = 'live' AND jobs.type = ANY (workers.types)
) AS takers
WHERE jobs.id = ANY ($1) AND jobs.status IN ('pending', 'running', 'cancelling')
