-- How old the newest moment is by which everything that was sent to the events queue is folded, in seconds.
SELECT extract(epoch FROM clock_timestamp() - folded_at)::float8 FROM intake WHERE queue = 'events'
