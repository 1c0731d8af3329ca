-- The first statement of every change of the paused types: the lock that puts versions and sets into one order.
UPDATE pauses SET version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
