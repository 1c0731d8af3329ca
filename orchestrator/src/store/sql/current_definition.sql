SELECT hash FROM current_definitions WHERE name = $1
