-- Files that are gone for good, with their scenes.
DELETE FROM media.files
WHERE status = 'gone' AND synced_revision = revision AND NOT EXISTS (
    SELECT FROM media.scenes s
    WHERE s.file_id = files.id AND (NOT s.missing OR s.missing_at > now() - make_interval(days => $1)))
RETURNING EXISTS (SELECT FROM media.scenes s WHERE s.file_id = files.id)
