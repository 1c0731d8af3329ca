-- A page of the values of an items list, with how many were found, the one behind the page included. The page ends where
-- its values have more than $6 bytes, but has at least one.
WITH page AS (
    SELECT items.seq, element.ordinality, element.value
    FROM jobs
    JOIN items ON items.job_id = jobs.id AND items.dispatch = jobs.dispatch
    CROSS JOIN LATERAL jsonb_array_elements(items.item_values) WITH ORDINALITY AS element (value, ordinality)
    WHERE jobs.id = $1 AND items.name = $2 AND items.seq >= $3::bigint AND (items.seq, element.ordinality) > ($3::bigint, $4::bigint)
    ORDER BY items.seq, element.ordinality
    LIMIT $5::bigint + 1
), sized AS (
    SELECT page.*, row_number() OVER places AS position, count(*) OVER () AS found,
        sum(octet_length(value::text)) OVER places AS bytes
    FROM page WINDOW places AS (ORDER BY seq, ordinality)
)
SELECT seq, ordinality, value, found FROM sized
WHERE position <= $5 AND (bytes <= $6::bigint OR position = 1)
ORDER BY position
