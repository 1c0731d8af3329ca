-- Accounts: tokens with roles, sessions of those who logged in with one, and what was done by whom.

CREATE TABLE tokens (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'submitter', 'operator', 'admin')),
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    requests_per_minute int CHECK (requests_per_minute > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    last_used_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz
);
COMMENT ON TABLE tokens IS 'Who may ask for what. A row outlives its token, so that the audit''s ids always lead somewhere.';
COMMENT ON COLUMN tokens.hash IS 'SHA-256 of the secret, which nobody keeps.';
COMMENT ON COLUMN tokens.last_used_at IS 'Coarse: written at most once a minute.';
-- The name of a revoked token may be given again.
CREATE UNIQUE INDEX tokens_name_idx ON tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE sessions (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE sessions IS 'Browsers that are logged in, by the SHA-256 of their cookie. A session is worth what its token is worth.';
CREATE INDEX sessions_expiry_idx ON sessions (expires_at);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    token_id uuid,
    token_name text,
    role text,
    action text NOT NULL,
    target text,
    status int NOT NULL,
    address text,
    detail jsonb
);
COMMENT ON TABLE audit IS 'A line for each action, whatever came of it. Lines are never changed, and deleted by age alone.';
COMMENT ON COLUMN audit.token_id IS 'Null for the token of the configuration, the command line and those who are nobody.';
COMMENT ON COLUMN audit.status IS 'The HTTP status that was answered.';
CREATE INDEX audit_age_idx ON audit (at);

-- The orchestrators' role has the rights of every table; this is what keeps it from rewriting what it did.
CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.at < now() - interval '30 days' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'lines of the audit are kept for 30 days, and are never changed';
END
$$;
CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION keep_audit();
