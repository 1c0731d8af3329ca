SELECT id, scenes_analyzed, changes_proposed, errors FROM media.plans WHERE run_id = $1 AND batch = $2
