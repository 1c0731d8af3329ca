-- Acknowledgements ($1 at most) of broadcasts of which nothing is kept any more. One is only written while something is.
DELETE FROM cancel_acks
WHERE (control_id, session) IN (
    SELECT control_id, session FROM cancel_acks
    WHERE NOT EXISTS (SELECT FROM tombstones WHERE tombstones.control_id = cancel_acks.control_id)
        AND NOT EXISTS (SELECT FROM withdrawals WHERE withdrawals.control_id = cancel_acks.control_id)
    LIMIT $1
)
