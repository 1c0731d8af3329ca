-- The plan of a run's batch, and whether it still is that of the scenes $3. The batches of a run that begins from its start are
-- others, and so are the contents of files that were changed.
SELECT id, scenes_analyzed, changes_proposed, errors,
    status <> 'draft'
    AND NOT EXISTS (
        SELECT FROM media.plan_scenes p
        WHERE p.plan_id = plans.id AND p.scene_id NOT IN (SELECT unnest($3::bigint[])))
    AND (EXISTS (SELECT FROM media.plan_scenes p WHERE p.plan_id = plans.id AND p.open)
        -- Decided, or about nothing: it will do where none of the scenes waits for an analysis.
        OR NOT EXISTS (
            SELECT FROM media.scenes s
            JOIN media.files f ON f.id = s.file_id AND f.status = 'ok' AND f.fingerprint = s.fingerprint
            WHERE s.id = ANY ($3::bigint[]) AND s.analyzed_at IS NULL AND NOT s.missing
                AND NOT EXISTS (SELECT FROM media.plan_scenes p WHERE p.scene_id = s.id AND p.open))) AS fits
FROM media.plans WHERE run_id = $1 AND batch = $2
