UPDATE media.plans SET status = $2, reason = COALESCE($3, reason), decided_at = now(),
    approved_at = CASE WHEN $2 = 'approved' THEN now() ELSE approved_at END
WHERE id = $1
