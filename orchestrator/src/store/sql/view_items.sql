-- The chunks of an items list, from one on.
SELECT items.seq, items.item_values
FROM items JOIN jobs ON jobs.id = items.job_id AND jobs.dispatch = items.dispatch
WHERE items.job_id = $1 AND items.name = $2 AND items.seq > $3
ORDER BY items.seq
LIMIT $4
