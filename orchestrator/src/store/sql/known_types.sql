-- What these names stand for now: the current version of a workflow, or what workers announced.
SELECT x.name, current_definitions.hash, job_types.params_schema
FROM unnest($1::text[]) AS x (name)
LEFT JOIN current_definitions ON current_definitions.name = x.name
LEFT JOIN job_types ON job_types.name = x.name
