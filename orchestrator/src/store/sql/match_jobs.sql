-- The jobs that a list of the same filter shows, without what it shows of them. Planned anew for each call.
SELECT id, definition_hash IS NOT NULL AS is_workflow FROM jobs
WHERE id < $1 AND id >= $2
    AND ($3::text IS NULL OR status = $3)
    AND ($4::text[] IS NULL OR status = ANY ($4))
    AND ($5::text IS NULL OR type = $5)
    AND ($6 OR $7::uuid IS NOT NULL OR parent_id IS NULL)
    AND ($7::uuid IS NULL OR parent_id = $7)
    AND ($8::jsonb IS NULL OR labels @> $8)
    AND ($9::timestamptz IS NULL OR created_at > $9)
    AND ($10::timestamptz IS NULL OR created_at < $10)
    AND ($11::bool IS NULL OR (paused IS NOT NULL AND paused ->> 'reason' <> 'settling') = $11)
ORDER BY id DESC
LIMIT $12
