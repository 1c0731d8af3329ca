INSERT INTO current_definitions (name, hash) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET hash = EXCLUDED.hash, changed_at = now()
WHERE current_definitions.hash <> EXCLUDED.hash
