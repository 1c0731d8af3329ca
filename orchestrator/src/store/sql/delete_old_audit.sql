DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < clock_timestamp() - make_interval(secs => $1) ORDER BY at LIMIT $2)
