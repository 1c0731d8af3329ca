-- A marker came out of each queue, and every live replica has since committed what it had received by then.
UPDATE intake SET folded_at = marker_at
WHERE folded_at < marker_at AND marker_received_at <= (
    SELECT min(folded_through) FROM orchestrators WHERE seen_at > clock_timestamp() - make_interval(secs => $1)
)
