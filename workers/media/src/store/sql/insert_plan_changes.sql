INSERT INTO media.plan_changes (plan_id, scene_id, kind, value, at_ms, reason)
SELECT $1, x.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[])
    AS x (scene_id, kind, value, at_ms, reason)
WHERE EXISTS (SELECT FROM media.plan_scenes p WHERE p.plan_id = $1 AND p.scene_id = x.scene_id)
