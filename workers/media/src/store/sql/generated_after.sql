SELECT scene_id, kind, paths FROM media.generated
WHERE (scene_id, kind) > ($1, $2) AND error IS NULL ORDER BY scene_id, kind LIMIT $3
