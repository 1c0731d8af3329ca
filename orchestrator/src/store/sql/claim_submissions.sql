-- The job that each key stands for: a new one, or the one that an earlier submission made. Claimed in one order by everybody.
WITH asked AS (
    SELECT DISTINCT ON (scope, key) scope, key, job_id, fingerprint
    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[]) WITH ORDINALITY AS x (scope, key, job_id, fingerprint, place)
    ORDER BY scope, key, place
), claimed AS (
    INSERT INTO submissions (scope, key, job_id, fingerprint)
    SELECT scope, key, job_id, fingerprint FROM asked ORDER BY scope, key
    ON CONFLICT (scope, key) DO NOTHING
    RETURNING scope, key, job_id, fingerprint
)
SELECT scope, key, job_id, fingerprint FROM claimed
UNION ALL
SELECT scope, key, submissions.job_id, submissions.fingerprint FROM submissions JOIN asked USING (scope, key)
