UPDATE media.plans SET reason = NULL, decided_at = approved_at,
    status = CASE WHEN approved_at IS NULL THEN 'pending' ELSE 'approved' END
WHERE id = $1
RETURNING status
