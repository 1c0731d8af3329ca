-- The job that this key stands for: the new one, or the one that an earlier submission made.
WITH claimed AS (
    INSERT INTO submissions (scope, key, job_id, fingerprint) VALUES ($1, $2, $3, $4)
    ON CONFLICT (scope, key) DO NOTHING
    RETURNING job_id, fingerprint
)
SELECT job_id, fingerprint FROM claimed
UNION ALL
SELECT job_id, fingerprint FROM submissions WHERE scope = $1 AND key = $2
LIMIT 1
