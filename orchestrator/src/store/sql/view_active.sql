-- The newest jobs without a parent that have not ended, those first on which somebody is at work. Each status has its own look into
-- the index, so that finished jobs cost nothing.
SELECT page.id, view || CASE WHEN metadata IS NULL THEN '{}' ELSE jsonb_build_object('metadata', metadata) END
FROM (
    SELECT newest.id, known.rank
    FROM unnest(ARRAY['running', 'cancelling', 'pending']) WITH ORDINALITY AS known (status, rank)
    CROSS JOIN LATERAL (
        SELECT id FROM jobs WHERE parent_id IS NULL AND jobs.status = known.status ORDER BY id DESC LIMIT $1
    ) AS newest
    ORDER BY known.rank, newest.id DESC
    LIMIT $1
) AS page
JOIN job_views ON job_views.id = page.id
ORDER BY page.rank, page.id DESC
