-- A type is resumed: what is in its queue comes out from now on, however long it lay there.
UPDATE tombstones SET created_at = clock_timestamp()
WHERE $1 = '*' OR NOT EXISTS (SELECT FROM jobs WHERE jobs.id = tombstones.job_id AND jobs.type <> $1)
