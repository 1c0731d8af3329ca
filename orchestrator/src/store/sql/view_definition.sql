SELECT jsonb_build_object(
    'name', definitions.name, 'title', definitions.title, 'hash', definitions.hash, 'created_at', definitions.created_at,
    'source', definitions.source, 'definition', definitions.document, 'input', definitions.document -> 'input'
)
FROM current_definitions JOIN definitions USING (hash)
WHERE current_definitions.name = $1
