-- How old the oldest row of the outbox is, and how long ago everything was folded that lay in the two queues by then. In
-- seconds.
SELECT
    (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 FROM outbox ORDER BY id LIMIT 1),
    (SELECT extract(epoch FROM clock_timestamp() - folded_at)::float8 FROM intake WHERE queue = 'events'),
    (SELECT extract(epoch FROM clock_timestamp() - folded_at)::float8 FROM intake WHERE queue = 'heartbeats')
