SELECT jsonb_build_object(
    'name', definitions.name, 'title', definitions.title, 'hash', definitions.hash, 'created_at', definitions.created_at,
    'steps', jsonb_array_length(definitions.document -> 'steps')
)
FROM current_definitions JOIN definitions USING (hash)
ORDER BY definitions.name
LIMIT 1000
