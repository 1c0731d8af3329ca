-- Signals never fan out, so that batches are passed over within the index. The last of the sub-jobs of a workflow's own steps ($1) that waited for an answer; of a step of this key ($2), if one is given.
SELECT id
FROM jobs
WHERE parent_id = $1 AND COALESCE(batch_index, -1) = -1 AND policy ? 'wait_for' AND ($2::text IS NULL OR step_key = $2)
ORDER BY step_index DESC
LIMIT 1
