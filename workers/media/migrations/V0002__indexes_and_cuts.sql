-- Whoever deletes a plan looks for what it wrote.
CREATE INDEX tags_plan_idx ON media.tags (plan_id) WHERE plan_id IS NOT NULL;
CREATE INDEX markers_plan_idx ON media.markers (plan_id) WHERE plan_id IS NOT NULL;

-- Cuts go with the last scene that has their content: when it is deleted, and when it gets another one.
CREATE INDEX scenes_fingerprint_idx ON media.scenes (fingerprint);
CREATE FUNCTION media.forget_cuts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM media.cuts USING earlier
    WHERE cuts.fingerprint = earlier.fingerprint
        AND NOT EXISTS (SELECT FROM media.scenes s WHERE s.fingerprint = cuts.fingerprint);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION media.forget_cuts IS 'Deletes the cuts of contents that no scene has any more';
CREATE TRIGGER scenes_deleted AFTER DELETE ON media.scenes
    REFERENCING OLD TABLE AS earlier FOR EACH STATEMENT EXECUTE FUNCTION media.forget_cuts();
CREATE TRIGGER scenes_changed AFTER UPDATE ON media.scenes
    REFERENCING OLD TABLE AS earlier FOR EACH STATEMENT EXECUTE FUNCTION media.forget_cuts();
DELETE FROM media.cuts WHERE NOT EXISTS (SELECT FROM media.scenes s WHERE s.fingerprint = cuts.fingerprint);
