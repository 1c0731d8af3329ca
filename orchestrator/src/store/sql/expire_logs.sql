-- Deletes, of the $2 oldest log lines after $1, those that were taken in more than $3 seconds ago (null: all of them), up to $4
-- bytes ($5 for each line beside its texts), and notes with each job that they are missing. Sizes are locked in one order by
-- everybody. Gives how many lines and bytes went, and the last of them.
WITH oldest AS MATERIALIZED (
    SELECT id, job_id, taken_at, octet_length(message) + octet_length(fields::text) + $5::bigint AS bytes
    FROM logs WHERE id > $1 ORDER BY id LIMIT $2
), going AS MATERIALIZED (
    SELECT id, job_id, bytes, sum(bytes) OVER (ORDER BY id) - bytes AS before FROM oldest
    WHERE $3::float8 IS NULL OR taken_at < clock_timestamp() - make_interval(secs => $3)
), gone AS (
    DELETE FROM logs USING going WHERE logs.id = going.id AND going.before < $4::bigint
    RETURNING going.id, going.job_id, going.bytes
), shrunk AS MATERIALIZED (
    SELECT job_id, count(*) AS lines, sum(bytes) AS bytes, max(id) AS last_id FROM gone GROUP BY job_id
), locked AS MATERIALIZED (
    SELECT job_id FROM log_sizes WHERE job_id IN (SELECT job_id FROM shrunk) ORDER BY job_id FOR UPDATE
), noted AS (
    UPDATE log_sizes SET
        bytes = GREATEST(log_sizes.bytes - shrunk.bytes, 0), expired = log_sizes.expired + shrunk.lines,
        notice_id = CASE WHEN log_sizes.notice_id > shrunk.last_id THEN log_sizes.notice_id END
    FROM shrunk JOIN locked ON locked.job_id = shrunk.job_id
    WHERE log_sizes.job_id = shrunk.job_id
)
SELECT count(*), COALESCE(sum(bytes), 0)::bigint, max(id) FROM gone
