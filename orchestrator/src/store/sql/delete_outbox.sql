-- Forgets what the broker has confirmed, with a fold.
DELETE FROM outbox WHERE id = ANY($1)
