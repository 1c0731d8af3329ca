-- What a root was submitted as.
SELECT type, params, policy, definition_hash, definition_path FROM jobs WHERE id = $1 AND parent_id IS NULL
