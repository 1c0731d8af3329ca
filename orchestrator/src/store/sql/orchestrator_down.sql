DELETE FROM orchestrators WHERE id = $1
