-- Its scene, if it has one, hears of it by the revision.
UPDATE media.files SET status = 'gone', error = NULL, revision = revision + 1
WHERE id = ANY ($1::bigint[]) AND status <> 'gone'
