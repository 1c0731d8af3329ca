SELECT jsonb_build_object(
    'name', name, 'title', title, 'hash', hash, 'created_at', created_at, 'source', source, 'definition', document
)
FROM definitions
WHERE name = $1 AND starts_with(hash, $2)
ORDER BY hash
LIMIT 1
