-- What silent replicas owe is for whoever sweeps next. A replica that is only slow sends it once more, which the fence makes
-- harmless.
WITH silent AS MATERIALIZED (
    SELECT id FROM orchestrators WHERE seen_at < clock_timestamp() - make_interval(secs => $1)
)
UPDATE outbox SET claimed_until = clock_timestamp() FROM silent
WHERE outbox.claimed_by = silent.id AND outbox.claimed_until > clock_timestamp()
