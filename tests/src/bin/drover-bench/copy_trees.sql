-- Copies every tree that is in the tables, $1 minutes earlier.
BEGIN;
CREATE OR REPLACE FUNCTION pg_temp.earlier(id uuid) RETURNS uuid IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT (
        lpad(to_hex(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint - $1 * 60000), 12, '0')
        || substr(replace(id::text, '-', ''), 13)
    )::uuid
$$;
-- Every column by its name, so that one that is added is copied, too.
DO $$
DECLARE
    shift constant interval := interval '$1 minutes';
    copied text;
    columns text;
    copies text;
BEGIN
    FOREACH copied IN ARRAY ARRAY['jobs', 'batches', 'fan_outs', 'items', 'history', 'submissions'] LOOP
        SELECT
            string_agg(quote_ident(attname), ', ' ORDER BY attnum),
            string_agg(CASE
                WHEN attname IN ('id', 'root_id', 'parent_id', 'job_id') AND atttypid = 'uuid'::regtype
                    THEN format('pg_temp.earlier(%I)', attname)
                WHEN atttypid = 'timestamptz'::regtype THEN format('%I - %L::interval', attname, shift)
                -- A key of a submission is claimed once.
                WHEN copied = 'submissions' AND attname = 'key' THEN format('%I || %L', attname, '-' || shift)
                ELSE quote_ident(attname)
            END, ', ' ORDER BY attnum)
        INTO columns, copies
        FROM pg_attribute
        WHERE attrelid = copied::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = '';
        EXECUTE format('INSERT INTO %I (%s) SELECT %s FROM %I', copied, columns, copies, copied);
    END LOOP;
END
$$;
COMMIT;
