INSERT INTO cancel_acks (control_id, session)
SELECT x.control_id, x.session FROM unnest($1::uuid[], $2::uuid[]) AS x (control_id, session)
JOIN workers ON workers.session = x.session
WHERE EXISTS (SELECT FROM tombstones WHERE tombstones.control_id = x.control_id)
    OR EXISTS (SELECT FROM withdrawals WHERE withdrawals.control_id = x.control_id)
ON CONFLICT DO NOTHING
