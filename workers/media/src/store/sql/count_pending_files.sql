SELECT count(*) FROM media.files
WHERE status IN ('ok', 'gone') AND ($1 OR synced_revision IS DISTINCT FROM revision)
