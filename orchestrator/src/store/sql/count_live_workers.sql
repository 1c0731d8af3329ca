SELECT count(*) FROM workers WHERE status = 'live'
