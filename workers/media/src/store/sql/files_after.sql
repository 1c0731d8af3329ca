-- A page of the files that were there at the last scan.
SELECT id, path FROM media.files WHERE id > $1 AND status <> 'gone' ORDER BY id LIMIT $2
