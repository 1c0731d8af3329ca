SELECT path, size_bytes, modified_at, status FROM media.files WHERE path = ANY ($1::text[])
