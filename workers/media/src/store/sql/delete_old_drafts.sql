DELETE FROM media.plans WHERE status = 'draft' AND decided_at < now() - make_interval(days => $1)
