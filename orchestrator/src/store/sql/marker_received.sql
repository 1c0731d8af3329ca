-- A marker that was sent at $2 came out of its queue. It is kept until what was sent before it is known to be folded. Markers have this
-- clock's time: one of the future is forged, and would make every worker look silent.
UPDATE intake SET
    current_since = CASE
        WHEN clock_timestamp() - $2 > make_interval(secs => $3)
            OR clock_timestamp() - last_received_at > make_interval(secs => $4) THEN clock_timestamp()
        ELSE current_since
    END,
    last_received_at = clock_timestamp(),
    marker_at = CASE WHEN folded_at >= marker_at THEN greatest(marker_at, $2) ELSE marker_at END,
    marker_received_at = CASE WHEN folded_at >= marker_at AND $2 > marker_at THEN clock_timestamp() ELSE marker_received_at END
WHERE queue = $1 AND $2 <= clock_timestamp()
