-- Those of the scenes that no other open plan is about.
INSERT INTO media.plan_scenes (plan_id, scene_id, fingerprint)
SELECT $1, scene_id, fingerprint FROM unnest($2::bigint[], $3::text[]) AS x (scene_id, fingerprint) ORDER BY scene_id
ON CONFLICT DO NOTHING
