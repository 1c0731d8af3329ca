-- Jobs, what they are made from, and what is on its way to the broker.

CREATE TABLE definitions (
    hash text PRIMARY KEY,
    name text NOT NULL,
    title text NOT NULL,
    document jsonb NOT NULL,
    source text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE definitions IS 'Every version of every workflow definition that was ever registered. A run keeps the version it started with.';

CREATE TABLE current_definitions (
    name text PRIMARY KEY,
    hash text NOT NULL REFERENCES definitions (hash),
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE current_definitions IS 'The version of each workflow that new runs take.';

CREATE TABLE job_types (
    name text PRIMARY KEY,
    title text NOT NULL,
    unit text,
    params_schema jsonb NOT NULL,
    result_schema jsonb NOT NULL,
    announced_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE job_types IS 'What the workers announced of the job types they take: validates submissions and draws forms.';

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    root_id uuid NOT NULL,
    parent_id uuid REFERENCES jobs (id) ON DELETE CASCADE,
    step_index int,
    step_key text,
    batch_index int,
    type text NOT NULL,
    title text,
    definition_hash text REFERENCES definitions (hash),
    definition_path text[],
    params jsonb NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    policy jsonb NOT NULL,
    created_at timestamptz NOT NULL,

    status text NOT NULL,
    attempt int NOT NULL,
    dispatch int NOT NULL,
    run int NOT NULL,
    failures int NOT NULL,
    losses int NOT NULL,
    progress int NOT NULL,
    message text,
    message_seq bigint NOT NULL DEFAULT 0,
    processed bigint,
    processed_seq bigint NOT NULL DEFAULT 0,
    total bigint,
    total_seq bigint NOT NULL DEFAULT 0,
    lease_session uuid,
    leased_at timestamptz,
    missing_since timestamptz,
    due_at timestamptz,
    timeout_at timestamptz,
    cancel jsonb,
    error jsonb,
    error_count bigint NOT NULL DEFAULT 0,
    result jsonb,
    items jsonb,
    parked jsonb,
    workflow jsonb,
    metadata jsonb,
    published_epoch text,
    started_at timestamptz,
    finished_at timestamptz,
    updated_at timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 0,

    CONSTRAINT status_is_known CHECK (status IN ('pending', 'running', 'cancelling', 'completed', 'completed_with_errors', 'failed', 'cancelled')),
    CONSTRAINT progress_is_full_iff_completed CHECK (progress BETWEEN 0 AND 10000 AND (progress = 10000) = (status IN ('completed', 'completed_with_errors'))),
    CONSTRAINT finished_iff_terminal CHECK ((finished_at IS NOT NULL) = (status IN ('completed', 'completed_with_errors', 'failed', 'cancelled'))),
    CONSTRAINT lease_only_at_work CHECK (lease_session IS NULL OR status IN ('running', 'cancelling')),
    CONSTRAINT due_only_when_pending CHECK (due_at IS NULL OR status = 'pending'),
    CONSTRAINT failed_has_error CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT sub_job_has_step CHECK ((parent_id IS NULL) = (step_index IS NULL)),
    CONSTRAINT root_is_itself CHECK ((parent_id IS NULL) = (root_id = id)),
    CONSTRAINT fences_are_sane CHECK (attempt >= 1 AND dispatch >= 0 AND run >= 0 AND failures >= 0 AND losses >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
COMMENT ON TABLE jobs IS 'One row per job: a workflow, its sub-jobs, a job on its own. Written by the fold only.';
COMMENT ON COLUMN jobs.dispatch IS 'The fence: rises with every publication meant to start the job and never resets.';
COMMENT ON COLUMN jobs.progress IS 'Hundredths of a percent; the high-water mark of this run.';
COMMENT ON COLUMN jobs.workflow IS 'What the engine remembers of a workflow''s steps: counters, never lists that grow.';
COMMENT ON COLUMN jobs.metadata IS 'What people and other systems read of a workflow under way.';
COMMENT ON COLUMN jobs.parked IS 'An end that waits for the rest of its items lists.';
COMMENT ON COLUMN jobs.missing_since IS 'Since when the worker that holds the lease no longer lists the job.';

CREATE UNIQUE INDEX jobs_sub_job_idx ON jobs (parent_id, step_index, COALESCE(batch_index, -1)) WHERE parent_id IS NOT NULL;
CREATE INDEX jobs_root_idx ON jobs (root_id) WHERE parent_id IS NOT NULL;
CREATE INDEX jobs_roots_idx ON jobs (id DESC) WHERE parent_id IS NULL;
CREATE INDEX jobs_unfinished_idx ON jobs (root_id, id) WHERE status IN ('pending', 'running', 'cancelling');
CREATE INDEX jobs_cancelling_idx ON jobs (id) WHERE status = 'cancelling';
CREATE INDEX jobs_type_idx ON jobs (type, id DESC) WHERE parent_id IS NULL;
CREATE INDEX jobs_status_idx ON jobs (status, id DESC) WHERE parent_id IS NULL;
CREATE INDEX jobs_labels_idx ON jobs USING gin (labels jsonb_path_ops) WHERE parent_id IS NULL;
CREATE INDEX jobs_due_idx ON jobs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX jobs_timeout_idx ON jobs (timeout_at) WHERE timeout_at IS NOT NULL;
CREATE INDEX jobs_lease_idx ON jobs (lease_session) WHERE lease_session IS NOT NULL;

CREATE TABLE submissions (
    scope text NOT NULL,
    key text NOT NULL,
    job_id uuid NOT NULL,
    fingerprint text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, key)
);
COMMENT ON TABLE submissions IS 'Idempotency keys: a repeat of a submission finds the job it made. Scope is the way and the sender.';

CREATE TABLE batches (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    step_index int NOT NULL,
    batch_index int NOT NULL,
    items jsonb NOT NULL,
    PRIMARY KEY (job_id, step_index, batch_index)
);
COMMENT ON TABLE batches IS 'The items of a fan-out, cut into batches when its step began and never evaluated again.';

CREATE TABLE fan_outs (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    step_index int NOT NULL,
    template jsonb NOT NULL,
    PRIMARY KEY (job_id, step_index)
);
COMMENT ON TABLE fan_outs IS 'The parameters of a fan-out''s batches, with everything filled in that is not the batch''s own.';

CREATE TABLE items (
    job_id uuid NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    dispatch int NOT NULL,
    seq bigint NOT NULL,
    name text NOT NULL,
    item_values jsonb NOT NULL,
    PRIMARY KEY (job_id, dispatch, seq)
);
COMMENT ON TABLE items IS 'Chunks of the long lists that jobs send; joined in order of seq.';

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('job', 'control', 'notification')),
    job_id uuid,
    dispatch int,
    body jsonb,
    claimed_by uuid NOT NULL,
    claimed_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE outbox IS 'Messages that a committed transaction owes to the broker. A row goes only after the broker''s confirm.';
COMMENT ON COLUMN outbox.claimed_by IS 'The replica that publishes it. When that is silent, another takes over before the claim ends.';
CREATE INDEX outbox_claim_idx ON outbox (claimed_until, id);

CREATE TABLE history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    root_id uuid NOT NULL,
    job_id uuid NOT NULL,
    attempt int NOT NULL,
    dispatch int NOT NULL,
    kind text NOT NULL,
    detail jsonb NOT NULL,
    at timestamptz NOT NULL
);
COMMENT ON TABLE history IS 'Every input that changed the state of a job, in the order of folding within one root.';
CREATE INDEX history_root_idx ON history (root_id, id);

CREATE TABLE logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    root_id uuid NOT NULL,
    job_id uuid NOT NULL,
    attempt int NOT NULL,
    worker_session uuid NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    level text NOT NULL,
    message text NOT NULL,
    fields jsonb NOT NULL
);
COMMENT ON TABLE logs IS 'Log lines of jobs.';
CREATE INDEX logs_root_idx ON logs (root_id, id);
CREATE INDEX logs_job_idx ON logs (job_id, id);
CREATE UNIQUE INDEX logs_once_idx ON logs (worker_session, seq);
