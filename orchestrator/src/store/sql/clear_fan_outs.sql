-- A step that begins again is cut into batches anew.
WITH cleared AS (
    DELETE FROM batches USING unnest($1::uuid[], $2::int[]) AS x (job_id, step_index)
    WHERE batches.job_id = x.job_id AND batches.step_index = x.step_index
)
INSERT INTO fan_outs (job_id, step_index, template)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::jsonb[])
ON CONFLICT (job_id, step_index) DO UPDATE SET template = EXCLUDED.template
