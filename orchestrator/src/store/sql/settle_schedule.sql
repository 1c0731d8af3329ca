UPDATE schedules SET
    next_at = $2, queued = $3, runs = $4, last_at = COALESCE($5, last_at), last_outcome = COALESCE($6, last_outcome),
    last_reason = CASE WHEN $6::text IS NULL THEN last_reason ELSE $7 END, last_job_id = COALESCE($8, last_job_id)
WHERE name = $1
