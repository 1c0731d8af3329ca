SELECT COALESCE(max(id), 0) FROM dead_letters
