SELECT name, hash FROM current_definitions
