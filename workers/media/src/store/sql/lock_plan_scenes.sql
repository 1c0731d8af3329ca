-- In the order in which `sync` takes them, too: that of their files. Whoever changes them meanwhile is waited for here, before
-- anything is decided by what they are.
SELECT FROM media.scenes s JOIN media.plan_scenes p ON p.scene_id = s.id
WHERE p.plan_id = $1 ORDER BY s.file_id FOR NO KEY UPDATE OF s
