-- Paused job types: what the workers are told to leave in its queue.

CREATE TABLE pauses (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL
);
COMMENT ON TABLE pauses IS 'The version of the set of paused types. Whoever changes the set locks this row.';
COMMENT ON COLUMN pauses.version IS 'Rises with every change, and with the clock: workers that outlive a database must not take its successor''s sets for old.';
INSERT INTO pauses (version) VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint);

CREATE TABLE paused_types (
    name text PRIMARY KEY,
    version bigint NOT NULL,
    reason text,
    paused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE paused_types IS 'Job types of which workers take nothing; the name * stands for every type.';
COMMENT ON COLUMN paused_types.version IS 'The first version of the set that it is in: a worker that obeys this one or a later one has heard of it.';

ALTER TABLE workers ADD COLUMN paused_version bigint;
COMMENT ON COLUMN workers.paused_version IS 'The version that the worker obeys, by its last heartbeat; -1: it knows no pauses; null: not heard yet.';
