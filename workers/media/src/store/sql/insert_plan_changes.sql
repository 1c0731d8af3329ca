INSERT INTO media.plan_changes (plan_id, scene_id, kind, value, at_ms, reason)
SELECT $1, x.scene_id, x.kind, x.value, x.at_ms, x.reason
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[])
    WITH ORDINALITY AS x (scene_id, kind, value, at_ms, reason, number)
WHERE EXISTS (SELECT FROM media.plan_scenes p WHERE p.plan_id = $1 AND p.scene_id = x.scene_id)
ORDER BY x.number
