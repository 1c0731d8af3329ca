-- Those of the oldest $2 dead letters that are older than $1 seconds. They come in the order of their ids.
WITH oldest AS MATERIALIZED (SELECT id, at FROM dead_letters ORDER BY id LIMIT $2)
DELETE FROM dead_letters USING oldest
WHERE dead_letters.id = oldest.id AND oldest.at < clock_timestamp() - make_interval(secs => $1)
