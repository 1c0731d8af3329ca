-- Every unfinished job of these trees.
SELECT id, root_id, parent_id, step_index, batch_index, type, definition_hash, definition_path, policy, created_at, status, attempt, dispatch, run, round, failures, losses, progress, message, message_seq, processed, processed_seq, total, total_seq, lease_session, due_at, timeout_at, cancel, paused, error, error_count, items, parked, workflow, started_at, finished_at
FROM jobs WHERE root_id = ANY($1) AND status IN ('pending', 'running', 'cancelling')
