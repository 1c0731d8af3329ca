-- Schedules: where each stands. What it is, its definition says.

CREATE TABLE schedules (
    name text PRIMARY KEY,
    cron text,
    time_zone text,
    switched_on boolean,
    switched_at timestamptz,
    next_at timestamptz,
    queued timestamptz[] NOT NULL DEFAULT '{}',
    runs uuid[] NOT NULL DEFAULT '{}',
    last_at timestamptz,
    last_outcome text,
    last_reason text,
    last_job_id uuid,
    CONSTRAINT outcome_is_known CHECK (last_outcome IN ('fired', 'queued', 'skipped', 'missed', 'failed')),
    CONSTRAINT outcome_has_time CHECK ((last_at IS NULL) = (last_outcome IS NULL)),
    CONSTRAINT only_what_is_defined_has_times CHECK (cron IS NOT NULL OR next_at IS NULL AND queued = '{}'),
    CONSTRAINT cron_has_zone CHECK ((cron IS NULL) = (time_zone IS NULL))
);
COMMENT ON TABLE schedules IS 'A row for each workflow whose definition has, or had, a schedule.';
COMMENT ON COLUMN schedules.cron IS 'What next_at was reckoned from; null: the current definition has no schedule.';
COMMENT ON COLUMN schedules.switched_on IS 'What a person has said, whatever the definition says; null: nothing.';
COMMENT ON COLUMN schedules.next_at IS 'From when on its times are open; null: it is off.';
COMMENT ON COLUMN schedules.queued IS 'Times that wait for the runs before them.';
COMMENT ON COLUMN schedules.runs IS 'Its runs that had not ended when it was looked at last.';
COMMENT ON COLUMN schedules.last_at IS 'The latest time of which something became, and what.';
COMMENT ON COLUMN schedules.last_job_id IS 'The latest run, also of a person''s "run now". It may be deleted by now.';
CREATE INDEX schedules_next_idx ON schedules (next_at) WHERE next_at IS NOT NULL;

-- The versions of a workflow.
CREATE INDEX definitions_name_idx ON definitions (name, created_at DESC);
