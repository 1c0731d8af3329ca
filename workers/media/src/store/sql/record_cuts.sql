INSERT INTO media.cuts (fingerprint, cuts) VALUES ($1, $2)
ON CONFLICT (fingerprint) DO UPDATE SET cuts = excluded.cuts, found_at = now()
