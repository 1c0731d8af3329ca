-- Replicas that were killed and are long forgotten.
DELETE FROM orchestrators WHERE seen_at < clock_timestamp() - make_interval(secs => $1)
