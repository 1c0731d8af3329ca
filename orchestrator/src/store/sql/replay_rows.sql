-- Every row of a tree ($1), whole.
SELECT id, root_id, parent_id, step_index, batch_index, type, definition_hash, definition_path, policy, created_at, status, attempt, dispatch, run, round, failures, losses, progress, message, message_seq, processed, processed_seq, total, total_seq, lease_session, due_at, timeout_at, cancel, paused, error, error_count, items, parked, workflow, started_at, finished_at,
    params, result, title, step_key, metadata
FROM jobs WHERE id = $1 OR (root_id = $1 AND parent_id IS NOT NULL)
