DELETE FROM media.generated WHERE NOT EXISTS (SELECT FROM media.scenes s WHERE s.id = generated.scene_id)
