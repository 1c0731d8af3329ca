-- More was dropped since.
UPDATE logs SET message = x.message, fields = x.fields
FROM unnest($1::bigint[], $2::text[], $3::jsonb[]) AS x (id, message, fields)
WHERE logs.id = x.id
