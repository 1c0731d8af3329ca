INSERT INTO media.plans (run_id, batch, errors) VALUES ($1, $2, $3)
ON CONFLICT (run_id, batch) DO NOTHING
RETURNING id
