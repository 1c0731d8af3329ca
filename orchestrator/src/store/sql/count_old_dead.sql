-- How many of the oldest $2 dead letters are older than $1 seconds.
SELECT count(*) FROM (SELECT at FROM dead_letters ORDER BY id LIMIT $2) AS oldest
WHERE at < clock_timestamp() - make_interval(secs => $1)
