SELECT job_id, step_index, template
FROM fan_outs JOIN unnest($1::uuid[], $2::int[]) AS x (job_id, step_index) USING (job_id, step_index)
