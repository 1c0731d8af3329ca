UPDATE media.plans SET status = $2, reason = COALESCE($3, reason), decided_at = now() WHERE id = $1
