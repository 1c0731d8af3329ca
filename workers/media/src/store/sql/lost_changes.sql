SELECT c.scene_id, count(*), EXISTS (SELECT FROM media.scenes s WHERE s.id = c.scene_id) AS there
FROM media.plan_changes c WHERE c.plan_id = $1 AND c.status = 'lost' GROUP BY c.scene_id ORDER BY c.scene_id
