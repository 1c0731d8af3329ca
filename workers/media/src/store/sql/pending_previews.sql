-- Newest first: scenes that lack a preview of the content they have.
SELECT id FROM media.scenes s
WHERE id < $1 AND NOT missing
    AND (SELECT count(*) FROM media.generated g WHERE g.scene_id = s.id AND g.fingerprint = s.fingerprint) < 3
ORDER BY id DESC LIMIT $2
