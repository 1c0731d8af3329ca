-- A page of the downloads that are in the library and that no scan has met there.
SELECT source_path, library_path FROM media.downloads d
WHERE source_path > $1 AND NOT EXISTS (SELECT FROM media.files f WHERE f.path = d.library_path)
ORDER BY source_path LIMIT $2
