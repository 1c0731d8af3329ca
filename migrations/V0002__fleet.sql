-- The fleet: who is alive, who holds what, what was cancelled, what nobody could process.

CREATE TABLE workers (
    session uuid PRIMARY KEY,
    host text NOT NULL,
    version text NOT NULL,
    types text[] NOT NULL,
    concurrency int NOT NULL,
    control_queue text,
    draining boolean NOT NULL DEFAULT false,
    running jsonb NOT NULL DEFAULT '[]',
    last_seq bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    welcomed_at timestamptz,
    status text NOT NULL DEFAULT 'live' CHECK (status IN ('live', 'lost', 'down'))
) WITH (fillfactor = 50);
COMMENT ON TABLE workers IS 'One row per life of a worker process. seen_at is on the database''s clock, and alone decides who is lost.';
CREATE INDEX workers_live_idx ON workers (seen_at) WHERE status = 'live';

CREATE TABLE tombstones (
    job_id uuid NOT NULL,
    dispatch int NOT NULL,
    control_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, dispatch)
);
COMMENT ON TABLE tombstones IS 'Cancelled dispatches of which a message may still lie in a queue. Workers learn them before they consume.';
CREATE INDEX tombstones_control_idx ON tombstones (control_id);
CREATE INDEX tombstones_age_idx ON tombstones (created_at);

CREATE TABLE cancel_acks (
    control_id uuid NOT NULL,
    session uuid NOT NULL REFERENCES workers (session) ON DELETE CASCADE,
    acked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (control_id, session)
);
COMMENT ON TABLE cancel_acks IS 'Which worker has obeyed which broadcast of cancels.';

CREATE TABLE orchestrators (
    id uuid PRIMARY KEY,
    host text NOT NULL,
    version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    folded_through timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN orchestrators.folded_through IS 'Everything that this replica had received by then is committed.';

CREATE TABLE intake (
    queue text PRIMARY KEY,
    marker_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    marker_received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    folded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    current_since timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE intake IS 'How far the queues of events and heartbeats are folded: markers travel through them behind what was sent before.';
COMMENT ON COLUMN intake.folded_at IS 'Everything that was published before is committed: the marker of that time came out, and every live replica has committed what it had received by then.';
COMMENT ON COLUMN intake.current_since IS 'Since when markers come out of the queue without delay.';
INSERT INTO intake (queue) VALUES ('events'), ('heartbeats');

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    reason text NOT NULL,
    detail text,
    message_id text,
    message_type text,
    content_type text,
    body bytea NOT NULL,
    properties jsonb NOT NULL,
    job_id uuid,
    at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE dead_letters IS 'What nobody could process, with the reason, until a person discards it or sends it again.';
