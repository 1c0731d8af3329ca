-- Whether the role may make tables where the schema is.
SELECT COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false)
