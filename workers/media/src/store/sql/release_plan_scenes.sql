-- Takes the scenes off a plan: those that no other plan has decided on since.
WITH released AS (DELETE FROM media.plan_scenes WHERE plan_id = $1 RETURNING scene_id, fingerprint)
SELECT scene_id, fingerprint FROM released
WHERE NOT EXISTS (SELECT FROM media.scenes s WHERE s.id = released.scene_id AND s.analyzed_at IS NOT NULL)
