INSERT INTO outbox (kind, job_id, dispatch, body, claimed_until, claimed_by)
SELECT kind, job_id, dispatch, body, clock_timestamp() + make_interval(secs => $5), $6
FROM unnest($1::text[], $2::uuid[], $3::int[], $4::jsonb[]) AS x (kind, job_id, dispatch, body)
RETURNING id
