INSERT INTO job_types (name, title, unit, params_schema, result_schema)
SELECT DISTINCT ON (name) * FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[])
    AS x (name, title, unit, params_schema, result_schema)
ON CONFLICT (name) DO UPDATE SET
    title = EXCLUDED.title, unit = EXCLUDED.unit, params_schema = EXCLUDED.params_schema,
    result_schema = EXCLUDED.result_schema, announced_at = now()
