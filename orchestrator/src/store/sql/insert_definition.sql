INSERT INTO definitions (hash, name, title, document, source) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (hash) DO NOTHING
