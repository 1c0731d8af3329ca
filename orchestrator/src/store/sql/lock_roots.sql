-- The roots of these jobs, locked in one order for fold, cancel and retry alike. NO KEY: foreign keys may still look. And
-- where their traces begin.
SELECT id, traceparent FROM jobs
WHERE id IN (SELECT root_id FROM jobs WHERE id = ANY($1))
ORDER BY id
FOR NO KEY UPDATE
