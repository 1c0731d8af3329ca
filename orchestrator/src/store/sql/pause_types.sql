INSERT INTO paused_types (name, version, reason)
SELECT $1, version, $2 FROM pauses
ON CONFLICT (name) DO NOTHING
