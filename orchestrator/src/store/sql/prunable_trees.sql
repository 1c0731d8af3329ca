-- The oldest trees of a type ($1) that had ended before the first that is kept ($2, $3), and how many sub-jobs each has,
-- counted up to $5.
SELECT oldest.id, parts.count
FROM (
    SELECT id, finished_at FROM jobs
    WHERE parent_id IS NULL AND finished_at IS NOT NULL AND type = $1 AND (finished_at, id) < ($2::timestamptz, $3::uuid)
    ORDER BY finished_at, id
    LIMIT $4
) AS oldest
CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT FROM jobs WHERE root_id = oldest.id AND parent_id IS NOT NULL LIMIT $5
    ) AS found
) AS parts
ORDER BY oldest.finished_at, oldest.id
