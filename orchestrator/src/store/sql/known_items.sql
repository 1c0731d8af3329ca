-- Which of these chunks are already kept: a chunk counts once however often it is delivered.
SELECT items.job_id, items.dispatch, items.seq
FROM items JOIN unnest($1::uuid[], $2::int[], $3::bigint[]) AS x (job_id, dispatch, seq) USING (job_id, dispatch, seq)
