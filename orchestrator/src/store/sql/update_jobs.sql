-- Writes what the fold changed. A result is kept while its job has ended and forgotten when it runs again.
UPDATE jobs SET
    params = COALESCE(x.params, jobs.params),
    status = x.status,
    attempt = x.attempt,
    dispatch = x.dispatch,
    run = x.run,
    round = x.round,
    failures = x.failures,
    losses = x.losses,
    progress = x.progress,
    message = x.message,
    message_seq = x.message_seq,
    processed = x.processed,
    processed_seq = x.processed_seq,
    total = x.total,
    total_seq = x.total_seq,
    leased_at = CASE WHEN x.lease_session IS NOT DISTINCT FROM jobs.lease_session THEN jobs.leased_at ELSE clock_timestamp() END,
    missing_since = CASE WHEN x.lease_session IS NOT DISTINCT FROM jobs.lease_session THEN jobs.missing_since END,
    lease_session = x.lease_session,
    due_at = x.due_at,
    timeout_at = x.timeout_at,
    cancel = x.cancel,
    paused = x.paused,
    error = x.error,
    error_count = x.error_count,
    result = CASE WHEN x.finished_at IS NULL THEN x.result ELSE COALESCE(x.result, jobs.result) END,
    items = x.items,
    parked = x.parked,
    workflow = x.workflow,
    metadata = x.metadata,
    published_epoch = CASE WHEN x.dispatch = jobs.dispatch THEN jobs.published_epoch ELSE $30 END,
    started_at = x.started_at,
    finished_at = x.finished_at,
    updated_at = $31,
    version = jobs.version + 1
FROM unnest(
    $1::uuid[], $2::jsonb[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::text[],
    $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::uuid[], $17::timestamptz[],
    $18::timestamptz[], $19::jsonb[], $20::jsonb[], $21::jsonb[], $22::bigint[], $23::jsonb[], $24::jsonb[], $25::jsonb[],
    $26::json[], $27::jsonb[], $28::timestamptz[], $29::timestamptz[], $32::int[]
) AS x (
    id, params, status, attempt, dispatch, run, failures, losses, progress, message, message_seq, processed, processed_seq,
    total, total_seq, lease_session, due_at, timeout_at, cancel, paused, error, error_count, result, items, parked,
    workflow, metadata, started_at, finished_at, round
)
WHERE jobs.id = x.id
