-- A page of log lines: of a whole tree ($1), of one job ($2), or of a job and all below it ($1 and $3). With how many were
-- found, the one behind the page included; the page ends where its lines have more than $7 bytes, but has at least one.
-- Planned anew for each call.
WITH page AS (
    SELECT * FROM logs
    WHERE id > $4
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
        AND ($5::text[] IS NULL OR level = ANY ($5))
    ORDER BY id
    LIMIT $6::bigint + 1
), sized AS (
    SELECT page.*, row_number() OVER places AS position, count(*) OVER () AS found,
        sum(octet_length(message) + octet_length(fields::text)) OVER places AS bytes
    FROM page WINDOW places AS (ORDER BY id)
)
SELECT sized.id, jsonb_build_object(
    'id', sized.id, 'at', sized.at, 'level', sized.level, 'message', sized.message, 'fields', sized.fields,
    'job_id', sized.job_id, 'job_type', jobs.type, 'parent_job_id', jobs.parent_id, 'attempt', sized.attempt
), found
FROM sized JOIN jobs ON jobs.id = sized.job_id
WHERE position <= $6 AND (bytes <= $7::bigint OR position = 1)
ORDER BY sized.id
