UPDATE media.plan_scenes SET open = false WHERE plan_id = ANY ($1::bigint[]) AND open
