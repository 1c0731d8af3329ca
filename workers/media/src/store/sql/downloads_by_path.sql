-- What of these downloads is in the library.
SELECT source_path, size_bytes, modified_at FROM media.downloads WHERE source_path = ANY ($1::text[])
