-- Whether both queues have come out without delay for one full lease: only then may silence be held against a worker.
SELECT bool_and(
    current_since < clock_timestamp() - make_interval(secs => $1)
    AND last_received_at > clock_timestamp() - make_interval(secs => $2)
) FROM intake
