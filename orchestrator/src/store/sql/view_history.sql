-- A page of what happened in a tree ($1): to all of it, to one job ($2), or to a job and all below it ($3). With how many
-- were found, the one behind the page included; the page ends where its lines have more than $6 bytes, but has at least
-- one. Planned anew for each call.
WITH page AS (
    SELECT * FROM history
    WHERE root_id = $1 AND id > $4
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
    ORDER BY id
    LIMIT $5::bigint + 1
), sized AS (
    SELECT page.*, row_number() OVER places AS position, count(*) OVER () AS found,
        sum(COALESCE(octet_length(detail::text), 0)) OVER places AS bytes
    FROM page WINDOW places AS (ORDER BY id)
)
SELECT id, jsonb_build_object(
    'id', id, 'at', at, 'job_id', job_id, 'attempt', attempt, 'dispatch', dispatch, 'kind', kind, 'input', input,
    'detail', detail
), found
FROM sized
WHERE position <= $5 AND (bytes <= $6::bigint OR position = 1)
ORDER BY id
