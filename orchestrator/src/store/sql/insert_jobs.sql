INSERT INTO jobs (
    id, root_id, parent_id, step_index, step_key, batch_index, type, title, definition_hash, definition_path, params, labels,
    policy, created_at, status, attempt, dispatch, run, failures, losses, progress, message, due_at, timeout_at, cancel,
    paused, error, error_count, result, workflow, metadata, published_epoch, started_at, finished_at, updated_at,
    traceparent, round
)
SELECT
    id, root_id, parent_id, step_index, step_key, batch_index, type, title, definition_hash,
    CASE WHEN definition_path IS NULL THEN NULL ELSE ARRAY(SELECT jsonb_array_elements_text(definition_path)) END,
    params, labels, policy, created_at, status, attempt, dispatch, run, failures, losses, progress, message, due_at,
    timeout_at, cancel, paused, error, error_count, result, workflow, metadata, $34, started_at, finished_at, $35,
    traceparent, round
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::int[], $7::text[], $8::text[], $9::text[], $10::jsonb[],
    $11::jsonb[], $12::jsonb[], $13::jsonb[], $14::timestamptz[], $15::text[], $16::int[], $17::int[], $18::int[],
    $19::int[], $20::int[], $21::int[], $22::text[], $23::timestamptz[], $24::timestamptz[], $25::jsonb[], $26::jsonb[],
    $27::jsonb[], $28::bigint[], $29::jsonb[], $30::json[], $31::jsonb[], $32::timestamptz[], $33::timestamptz[],
    $36::text[], $37::int[]
) AS x (
    id, root_id, parent_id, step_index, step_key, batch_index, type, title, definition_hash, definition_path, params, labels,
    policy, created_at, status, attempt, dispatch, run, failures, losses, progress, message, due_at, timeout_at, cancel,
    paused, error, error_count, result, workflow, metadata, started_at, finished_at, traceparent, round
)
