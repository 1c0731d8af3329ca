-- Whole finished trees. What is kept by root goes with them.
WITH roots AS (
    DELETE FROM jobs WHERE id = ANY($1) AND parent_id IS NULL
        AND status IN ('completed', 'completed_with_errors', 'failed', 'cancelled')
    RETURNING id
), gone_history AS (DELETE FROM history USING roots WHERE history.root_id = roots.id),
gone_logs AS (DELETE FROM logs USING roots WHERE logs.root_id = roots.id),
gone_submissions AS (DELETE FROM submissions USING roots WHERE submissions.job_id = roots.id)
SELECT id FROM roots
