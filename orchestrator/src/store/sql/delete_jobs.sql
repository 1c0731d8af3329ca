-- Whole finished trees, with all that is kept of them, and how many jobs each had. $2: only those that had ended by then.
WITH roots AS MATERIALIZED (
    SELECT id FROM jobs
    WHERE id = ANY($1) AND parent_id IS NULL AND status IN ('completed', 'completed_with_errors', 'failed', 'cancelled')
        AND ($2::timestamptz IS NULL OR finished_at <= $2)
    ORDER BY id FOR UPDATE
), tree AS MATERIALIZED (
    SELECT id, id AS root_id FROM roots
    UNION ALL
    SELECT jobs.id, roots.id FROM roots JOIN jobs ON jobs.root_id = roots.id AND jobs.parent_id IS NOT NULL
), gone AS (DELETE FROM jobs USING tree WHERE jobs.id = tree.id),
gone_batches AS (DELETE FROM batches USING tree WHERE batches.job_id = tree.id),
gone_fan_outs AS (DELETE FROM fan_outs USING tree WHERE fan_outs.job_id = tree.id),
gone_history AS (DELETE FROM history USING roots WHERE history.root_id = roots.id),
gone_logs AS (DELETE FROM logs USING roots WHERE logs.root_id = roots.id),
gone_log_sizes AS (DELETE FROM log_sizes USING roots WHERE log_sizes.root_id = roots.id),
gone_submissions AS (DELETE FROM submissions USING roots WHERE submissions.job_id = roots.id)
SELECT root_id, count(*) FROM tree GROUP BY root_id
