SELECT id FROM media.scenes WHERE id = ANY ($1::bigint[])
