DELETE FROM media.generated USING unnest($1::bigint[], $2::text[]) AS x (scene_id, kind)
WHERE generated.scene_id = x.scene_id AND generated.kind = x.kind
