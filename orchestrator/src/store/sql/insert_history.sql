INSERT INTO history (root_id, job_id, attempt, dispatch, kind, detail, input, given, at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::text[], $6::jsonb[], $7::text[], $8::jsonb[], $9::timestamptz[])
