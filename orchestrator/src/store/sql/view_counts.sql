-- How many jobs without a parent there are in each of these statuses ($1), counted up to $2.
SELECT known.status, (
    SELECT count(*) FROM (
        SELECT FROM jobs WHERE parent_id IS NULL AND jobs.status = known.status LIMIT $2
    ) AS found
)
FROM unnest($1::text[]) AS known (status)
