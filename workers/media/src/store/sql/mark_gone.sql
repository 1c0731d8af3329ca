-- A file that could not be read has no scene that would have to hear of it.
UPDATE media.files SET status = 'gone', error = NULL, revision = revision + 1
WHERE id = ANY ($1::bigint[]) AND status <> 'gone'
