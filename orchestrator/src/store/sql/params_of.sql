SELECT id, params FROM jobs WHERE id = ANY($1)
