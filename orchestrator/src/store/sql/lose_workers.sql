UPDATE workers SET status = 'lost', running = '[]'
WHERE status = 'live' AND seen_at < clock_timestamp() - make_interval(secs => $1)
RETURNING session
