-- What the messages of these jobs say now. A dispatch that is no longer current, or was withdrawn by a pause, is left out.
SELECT jobs.id, jobs.type, jobs.attempt, jobs.dispatch, jobs.parent_id, jobs.root_id, jobs.step_key, jobs.params, jobs.policy,
    jobs.run, jobs.round, (SELECT roots.traceparent FROM jobs AS roots WHERE roots.id = jobs.root_id) AS root_traceparent
FROM jobs JOIN unnest($1::uuid[], $2::int[]) AS x (id, dispatch) ON x.id = jobs.id AND x.dispatch = jobs.dispatch
WHERE jobs.status IN ('pending', 'running') AND jobs.paused IS NULL
