-- Log lines before $4, newest first: of a whole tree ($1), of one job ($2), or of a job and all below it ($1 and $3). At most $7
-- lines are looked at, so that a search for what is not there ends; the last column is where it stopped, if it did. Planned anew
-- for each call.
WITH scanned AS (
    SELECT * FROM logs
    WHERE id < $4
        AND ($1::uuid IS NULL OR root_id = $1)
        AND ($2::uuid IS NULL OR job_id = $2)
        AND ($3::uuid IS NULL OR job_id IN (
            WITH RECURSIVE below AS (
                SELECT $3::uuid AS id
                UNION ALL
                SELECT children.id FROM below
                -- One look into the index for each job; a join would go through all sub-jobs of the system.
                CROSS JOIN LATERAL (SELECT id FROM jobs WHERE parent_id = below.id OFFSET 0) AS children
            )
            SELECT id FROM below
        ))
    ORDER BY id DESC
    LIMIT $7
), reach AS (
    SELECT CASE WHEN count(*) >= $7 THEN min(id) END AS stopped_at FROM scanned
), found AS (
    SELECT * FROM scanned
    WHERE ($5::text[] IS NULL OR level = ANY ($5))
        AND ($6::text IS NULL OR position(lower($6) IN lower(message || ' ' || fields::text)) > 0)
    ORDER BY id DESC
    LIMIT $8
)
SELECT found.id, found.at, found.level, left(found.message, 4000), CASE WHEN octet_length(found.fields::text) < 4000 THEN found.fields END,
    found.job_id, jobs.type, jobs.batch_index, reach.stopped_at
FROM reach LEFT JOIN found ON true LEFT JOIN jobs ON jobs.id = found.job_id
ORDER BY found.id DESC
