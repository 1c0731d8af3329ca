-- The library of the media worker. The worker makes the schema itself if its role may, and applies what stands here.

CREATE TABLE media.files (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path            text NOT NULL UNIQUE,
    title           text NOT NULL,
    size_bytes      bigint NOT NULL CHECK (size_bytes >= 0),
    modified_at     timestamptz NOT NULL,
    status          text NOT NULL CHECK (status IN ('ok', 'failed', 'gone')),
    error           text,
    fingerprint     text,
    container       text,
    duration_seconds double precision CHECK (duration_seconds >= 0),
    video_codec     text,
    audio_codec     text,
    width           integer CHECK (width > 0),
    height          integer CHECK (height > 0),
    frame_rate      double precision,
    bit_rate        bigint,
    -- Rises whenever a scan finds something new; what differs from it is to be synced.
    revision        bigint NOT NULL DEFAULT 1,
    synced_revision bigint,
    scanned_at      timestamptz NOT NULL DEFAULT now(),
    CHECK (status <> 'ok' OR (fingerprint IS NOT NULL AND duration_seconds IS NOT NULL AND width IS NOT NULL
                              AND height IS NOT NULL AND video_codec IS NOT NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL))
);
COMMENT ON TABLE media.files IS 'A video file of the library, as the last scan found it';
CREATE INDEX files_pending_idx ON media.files (id)
    WHERE status IN ('ok', 'gone') AND synced_revision IS DISTINCT FROM revision;
CREATE INDEX files_gone_idx ON media.files (fingerprint) WHERE status = 'gone';

CREATE TABLE media.scenes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id     bigint NOT NULL UNIQUE REFERENCES media.files ON DELETE CASCADE,
    title       text NOT NULL,
    -- The content that tags, markers and previews are about.
    fingerprint text NOT NULL,
    missing     boolean NOT NULL DEFAULT false,
    missing_at  timestamptz,
    analyzed_at timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (missing = (missing_at IS NOT NULL))
);
COMMENT ON TABLE media.scenes IS 'What people see of a file: it follows the file when that is moved';
CREATE INDEX scenes_unanalyzed_idx ON media.scenes (id DESC) WHERE analyzed_at IS NULL AND NOT missing;

CREATE TABLE media.plans (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id           text NOT NULL,
    batch            bigint NOT NULL,
    status           text NOT NULL DEFAULT 'pending'
                     CHECK (status IN ('pending', 'approved', 'applied', 'refused', 'draft')),
    reason           text,
    scenes_analyzed  bigint NOT NULL DEFAULT 0,
    changes_proposed bigint NOT NULL DEFAULT 0,
    errors           jsonb NOT NULL DEFAULT '[]',
    created_at       timestamptz NOT NULL DEFAULT now(),
    decided_at       timestamptz,
    UNIQUE (run_id, batch)
);
COMMENT ON TABLE media.plans IS 'What an analysis of a batch of scenes proposes';
CREATE INDEX plans_open_idx ON media.plans (created_at) WHERE status IN ('pending', 'approved', 'draft');

CREATE TABLE media.plan_scenes (
    plan_id     bigint NOT NULL REFERENCES media.plans ON DELETE CASCADE,
    scene_id    bigint NOT NULL,
    fingerprint text NOT NULL,
    -- The plan is pending or approved.
    open        boolean NOT NULL DEFAULT true,
    PRIMARY KEY (plan_id, scene_id)
);
COMMENT ON TABLE media.plan_scenes IS 'A scene that a plan is about, with the content that was analyzed';
CREATE UNIQUE INDEX plan_scenes_open_idx ON media.plan_scenes (scene_id) WHERE open;

-- Without foreign key to the scene: a change whose scene is gone is told of, not forgotten.
CREATE TABLE media.plan_changes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan_id    bigint NOT NULL REFERENCES media.plans ON DELETE CASCADE,
    scene_id   bigint NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('tag', 'marker')),
    value      text NOT NULL,
    at_ms      bigint CHECK (at_ms >= 0),
    reason     text NOT NULL,
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'applied', 'refused', 'lost')),
    CHECK ((kind = 'marker') = (at_ms IS NOT NULL))
);
COMMENT ON TABLE media.plan_changes IS 'One proposed tag or marker';
CREATE INDEX plan_changes_plan_idx ON media.plan_changes (plan_id);

CREATE TABLE media.tags (
    scene_id bigint NOT NULL REFERENCES media.scenes ON DELETE CASCADE,
    name     text NOT NULL,
    -- Null: a person wrote it, and no plan takes it away.
    plan_id  bigint REFERENCES media.plans ON DELETE SET NULL,
    PRIMARY KEY (scene_id, name)
);
COMMENT ON TABLE media.tags IS 'A tag of a scene';

CREATE TABLE media.markers (
    scene_id bigint NOT NULL REFERENCES media.scenes ON DELETE CASCADE,
    at_ms    bigint NOT NULL CHECK (at_ms >= 0),
    title    text NOT NULL,
    plan_id  bigint REFERENCES media.plans ON DELETE SET NULL,
    PRIMARY KEY (scene_id, at_ms)
);
COMMENT ON TABLE media.markers IS 'A named moment of a scene';

CREATE TABLE media.cuts (
    fingerprint text PRIMARY KEY,
    -- [{"at_ms", "score"}], in their order.
    cuts        jsonb NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE media.cuts IS 'Scene changes that were found in a content, so that an analysis that is repeated need not look again';

CREATE TABLE media.generated (
    scene_id    bigint NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('thumbnail', 'sprite', 'preview')),
    fingerprint text NOT NULL,
    paths       text[] NOT NULL,
    error       text,
    made_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scene_id, kind)
);
COMMENT ON TABLE media.generated IS 'A preview of a scene, or why its content gives none';

CREATE TABLE media.downloads (
    source_path  text PRIMARY KEY,
    size_bytes   bigint NOT NULL,
    modified_at  timestamptz NOT NULL,
    library_path text NOT NULL,
    linked_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE media.downloads IS 'A download that is in the library; it is not linked again, also when it was removed from there';
