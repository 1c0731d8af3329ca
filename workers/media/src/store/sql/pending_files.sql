SELECT id, path FROM media.files
WHERE id > $1 AND status IN ('ok', 'gone') AND ($2 OR synced_revision IS DISTINCT FROM revision)
ORDER BY id LIMIT $3
