-- How many bytes all log lines take.
SELECT COALESCE(sum(bytes), 0)::bigint FROM log_sizes
