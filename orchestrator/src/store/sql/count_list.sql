-- How many values of an items list ($3) a job ($2) of the workflow's own tree ($1) has sent in its last dispatch.
SELECT coalesce(sum(jsonb_array_length(items.item_values)), 0)::bigint
FROM jobs
JOIN jobs AS workflow ON workflow.id = $1 AND workflow.root_id = jobs.root_id
JOIN items ON items.job_id = jobs.id AND items.dispatch = jobs.dispatch
WHERE jobs.id = $2 AND items.name = $3
