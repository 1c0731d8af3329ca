-- A page of the jobs that a list of the same filter shows and that have a text ($13), newest first. At most $14 jobs are looked at, and
-- no parameters of more than 16,000 bytes, so that a search for what is not there ends; the last column is where it stopped, if it did. Planned anew for each call.
WITH scanned AS (
    SELECT id, type, title, CASE WHEN pg_column_size(params) <= 16000 THEN params END AS params, labels, message, error FROM jobs
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
    LIMIT $14
), reach AS (
    SELECT CASE WHEN (SELECT count(*) FROM scanned) >= $14 THEN (SELECT id FROM scanned ORDER BY id LIMIT 1) END AS stopped_at
), page AS (
    SELECT id FROM scanned
    WHERE position(lower($13) IN lower(concat_ws(' ', id, type, title, params, labels, message, error ->> 'message'))) > 0
    ORDER BY id DESC
    LIMIT $12
)
SELECT page.id, view || CASE WHEN metadata IS NULL THEN '{}' ELSE jsonb_build_object('metadata', metadata) END, reach.stopped_at
FROM reach LEFT JOIN page ON true LEFT JOIN job_views ON job_views.id = page.id
ORDER BY page.id DESC
