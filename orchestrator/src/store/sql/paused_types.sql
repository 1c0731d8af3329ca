-- The whole set, if it is newer than the version that somebody obeys.
SELECT version, ARRAY(SELECT name FROM paused_types ORDER BY name) FROM pauses WHERE version > $1
