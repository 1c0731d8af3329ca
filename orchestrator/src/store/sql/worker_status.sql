SELECT status FROM workers WHERE session = $1
