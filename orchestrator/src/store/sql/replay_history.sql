-- The lines of a tree ($1) behind a line ($2), at most $3 of them, each chunk of an items list with its values. The page ends
-- where its lines have more than $4 bytes, but has at least one. A line has 100 bytes beside what is of any length.
WITH page AS (
    SELECT history.*, chunk.item_values, 100 + COALESCE(octet_length(detail::text), 0) + COALESCE(octet_length(chunk.item_values::text), 0) AS size
    FROM history
    -- One look into the index for each chunk; a join might go through all chunks of the system.
    LEFT JOIN LATERAL (
        SELECT item_values FROM items
        WHERE history.input = 'items' AND items.job_id = history.job_id AND items.dispatch = history.dispatch
            AND items.seq = (history.detail ->> 'seq')::bigint
        LIMIT 1
    ) AS chunk ON true
    WHERE history.root_id = $1 AND history.id > $2
    ORDER BY history.id
    LIMIT $3
), sized AS (
    SELECT page.*, row_number() OVER places AS position, sum(size) OVER places AS bytes
    FROM page WINDOW places AS (ORDER BY id)
)
SELECT id, at, job_id, attempt, dispatch, kind, detail, input, given, item_values, size::bigint
FROM sized
WHERE bytes <= $4::bigint OR position = 1
ORDER BY id
