DELETE FROM paused_types WHERE name = $1
