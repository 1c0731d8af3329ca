-- Cuts an items list of a sub-job into batches, without the list leaving the database.
INSERT INTO batches (job_id, step_index, batch_index, items)
SELECT $1, $2, (position / $3)::int, jsonb_agg(value ORDER BY position)
FROM (
    SELECT element.value, row_number() OVER (ORDER BY items.seq, element.ordinality) - 1 AS position
    FROM jobs
    JOIN items ON items.job_id = jobs.id AND items.dispatch = jobs.dispatch
    CROSS JOIN LATERAL jsonb_array_elements(items.item_values) WITH ORDINALITY AS element (value, ordinality)
    WHERE jobs.id = $4 AND items.name = $5
) AS positions
GROUP BY position / $3
