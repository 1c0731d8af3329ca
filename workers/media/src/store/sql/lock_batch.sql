-- Whoever decides on the batch's plan meanwhile is waited for.
SELECT FROM media.plans WHERE run_id = $1 AND batch = $2 FOR UPDATE
