-- What the fold writes with every step and nobody asks within: kept as the text that it is, instead of being taken apart and
-- put together again. Rewrites the table, some ten seconds a million jobs.
ALTER TABLE jobs ALTER COLUMN workflow TYPE json USING workflow::text::json;

DO $$
BEGIN
    ALTER TABLE jobs ALTER COLUMN workflow SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    RAISE NOTICE 'this server was built without LZ4: values are compressed by its default';
END
$$;
