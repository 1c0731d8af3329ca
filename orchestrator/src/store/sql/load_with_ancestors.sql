-- These jobs and every workflow above them. Small parameters of workflows come along, for what begins next reads them; larger
-- ones are asked for by those who need them.
WITH RECURSIVE up AS (
    SELECT id, parent_id FROM jobs WHERE id = ANY($1)
    UNION
    SELECT jobs.id, jobs.parent_id FROM jobs JOIN up ON jobs.id = up.parent_id
)
SELECT id, root_id, parent_id, step_index, batch_index, type, definition_hash, definition_path, policy, created_at, status, attempt, dispatch, run, round, failures, losses, progress, message, message_seq, processed, processed_seq, total, total_seq, lease_session, due_at, timeout_at, cancel, paused, error, error_count, items, parked, workflow, started_at, finished_at, updated_at, CASE WHEN workflow IS NOT NULL AND pg_column_size(params) <= 2000 THEN params END AS small_params
FROM jobs WHERE id IN (SELECT id FROM up)
