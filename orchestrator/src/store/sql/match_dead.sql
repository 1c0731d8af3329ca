-- Dead letters of a filter, oldest first: those after $1 up to $2. Planned anew for each call.
SELECT id FROM dead_letters
WHERE id > $1 AND id <= $2 AND ($3::text IS NULL OR queue = $3) AND ($4::text IS NULL OR reason = $4)
ORDER BY id
LIMIT $5
