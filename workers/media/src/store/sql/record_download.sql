INSERT INTO media.downloads (source_path, size_bytes, modified_at, library_path) VALUES ($1, $2, $3, $4)
ON CONFLICT (source_path) DO UPDATE
SET size_bytes = excluded.size_bytes, modified_at = excluded.modified_at, library_path = excluded.library_path,
    linked_at = now()
