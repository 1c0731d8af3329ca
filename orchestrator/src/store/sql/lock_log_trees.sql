-- Until the commit, nobody else writes log lines of the trees of these jobs: within a tree, ids are in the order of commits,
-- so that whoever reads on from the last id it saw misses no line. Trees share 64 locks, taken in one order.
SELECT pg_advisory_xact_lock(1919905897, tree) FROM (
    SELECT DISTINCT get_byte(uuid_send(root_id), 15) % 64 AS tree FROM jobs WHERE id = ANY($1) ORDER BY tree
) AS trees
