-- The replica that has lived longest, of those that were heard within $1 seconds: ids are in the order of starts.
SELECT id FROM orchestrators WHERE seen_at >= clock_timestamp() - make_interval(secs => $1) ORDER BY id LIMIT 1
