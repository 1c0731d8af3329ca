-- A page of jobs, newest first. An absent filter is null.
SELECT id, view || CASE WHEN metadata IS NULL THEN '{}' ELSE jsonb_build_object('metadata', metadata) END
FROM job_views
WHERE ($1::uuid IS NULL OR id < $1)
    AND ($2::text[] IS NULL OR status = ANY ($2))
    AND ($3::text IS NULL OR type = $3)
    AND ($4::bool OR ($5::uuid IS NULL AND parent_id IS NULL) OR parent_id = $5)
    AND ($6::jsonb IS NULL OR labels @> $6)
    AND ($7::timestamptz IS NULL OR created_at > $7)
    AND ($8::timestamptz IS NULL OR created_at < $8)
ORDER BY id DESC
LIMIT $9
