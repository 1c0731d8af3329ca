-- Newest first: scenes that lack a preview of the content they have. One whose file is not what it was waits for the next
-- sync.
SELECT s.id FROM media.scenes s
JOIN media.files f ON f.id = s.file_id AND f.status = 'ok' AND f.fingerprint = s.fingerprint
WHERE s.id < $1 AND NOT s.missing
    AND (SELECT count(*) FROM media.generated g WHERE g.scene_id = s.id AND g.fingerprint = s.fingerprint) < 3
ORDER BY s.id DESC LIMIT $2
