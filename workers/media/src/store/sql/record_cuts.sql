-- Only while a scene has that content, which is held meanwhile: what nobody has would stay for ever.
INSERT INTO media.cuts (fingerprint, cuts)
SELECT fingerprint, $2::jsonb FROM media.scenes WHERE fingerprint = $1 LIMIT 1 FOR SHARE
ON CONFLICT (fingerprint) DO UPDATE SET cuts = excluded.cuts, found_at = now()
