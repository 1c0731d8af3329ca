-- The last of the newest $2 trees of a type that have ended.
SELECT finished_at, id FROM jobs
WHERE parent_id IS NULL AND finished_at IS NOT NULL AND type = $1
ORDER BY finished_at DESC, id DESC
OFFSET $2::bigint - 1 LIMIT 1
