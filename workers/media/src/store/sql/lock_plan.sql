SELECT status, reason FROM media.plans WHERE id = $1 FOR UPDATE
