-- A whole finished tree. What is kept by root goes with it.
WITH root AS (
    DELETE FROM jobs WHERE id = $1 AND parent_id IS NULL
        AND status IN ('completed', 'completed_with_errors', 'failed', 'cancelled')
    RETURNING id
), gone_history AS (DELETE FROM history USING root WHERE history.root_id = root.id),
gone_logs AS (DELETE FROM logs USING root WHERE logs.root_id = root.id),
gone_submissions AS (DELETE FROM submissions USING root WHERE submissions.job_id = root.id)
SELECT id FROM root
