-- The newest migration that was applied; refinery writes them down here.
SELECT max(version) FROM refinery_schema_history
