SELECT kind, fingerprint, paths, error FROM media.generated WHERE scene_id = $1
