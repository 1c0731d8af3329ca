//! Replays: what happened leads to what is stored, and whoever doctored a row is found out.

use std::{collections::BTreeMap, time::Duration};

use drover_engine::{Input, Outcome};
use drover_protocol::{JobError, JobEventKind, JobId, ProgressReport};
use serde_json::{Value, json};

use super::Api;
use crate::store::{ReplayFailure, ReplayLimits};

/// Nested, with a list that a worker sends, an expression over it, retries that wait, and clean-up.
const NESTED: &str = "
name: nested
steps:
  - { key: scan, job: validate, weight: 20 }
  - key: groups
    weight: 60
    for_each: '${steps.scan.result.files}'
    batch_size: 2
    max_parallel: 2
    steps:
      - { key: first, job: process, retry: { attempts: 2, initial: 1ms }, params: { files: '${batch.items}' } }
      - { key: second, job: process, if: '${steps.first.result.rows > 1}' }
  - { key: other, workflow: child, weight: 20, on_failure: continue }
cleanup: [{ key: tidy, job: validate }]
summary: { n: '${steps.scan.result.n}' }
";

const CHILD: &str = "name: child\nsteps: [{ key: only, job: validate, timeout: 1h }]";

impl Api {
    async fn replay(&self, id: JobId) -> Value {
        self.get(&format!("/api/v1/jobs/{id}/replay")).await.ok()
    }

    /// Asserts that a job is what its history leads to. How many jobs were compared, and how many of them have not ended.
    async fn is_rebuilt(&self, id: JobId) -> (u64, u64) {
        let replayed = self.replay(id).await;
        assert_eq!(
            replayed["differences"],
            json!([]),
            "{:#}",
            self.get(&format!("/api/v1/jobs/{id}/history")).await.ok()
        );
        (replayed["jobs"].as_u64().unwrap(), replayed["unfinished"].as_u64().unwrap())
    }

    /// The fields that differ, with what is stored.
    async fn differences(&self, id: JobId) -> BTreeMap<String, Value> {
        let replayed = self.replay(id).await;
        let difference =
            |difference: &Value| (difference["field"].as_str().unwrap().to_owned(), difference["stored"].clone());
        replayed["differences"].as_array().unwrap().iter().map(difference).collect()
    }

    async fn input(&self, input: Input) {
        let folded = self.desk.app.store.fold(&self.desk.app.context, vec![input]).await.unwrap();
        assert_eq!(folded.outcomes, [Outcome::Applied]);
    }

    /// An event of the job's current dispatch.
    async fn report(&self, id: JobId, kind: JobEventKind) {
        let dispatch = self.job(id).await["dispatch"].as_u64().unwrap();
        let mut event = self.desk.event(id, kind);
        event.dispatch = u32::try_from(dispatch).unwrap();
        self.input(Input::Event(event)).await;
    }

    async fn say(&self, id: JobId, percent: f64, message: &str) {
        let report = ProgressReport { percent: Some(percent), message: Some(message.into()), ..Default::default() };
        self.report(id, JobEventKind::Progress(report)).await;
    }

    async fn done(&self, id: JobId, result: Value) {
        let kind = JobEventKind::Completed { result, warnings: Vec::new(), items: [].into(), progress: None };
        self.report(id, kind).await;
    }

    /// Waits until the time of a job's next attempt has come, and tells it.
    async fn comes_due(&self, id: JobId) {
        let due = Input::Due { job_id: id };
        loop {
            let folded = self.desk.app.store.fold(&self.desk.app.context, vec![due.clone()]).await.unwrap();
            if folded.outcomes == [Outcome::Applied] {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The sub-jobs of a job that have not ended.
    async fn open(&self, id: JobId) -> Vec<JobId> {
        let page = self.get(&format!("/api/v1/jobs/{id}/jobs?status=pending,running,cancelling&limit=500")).await.ok();
        super::ids(&page)
    }

    /// Runs what is open below a job, until it has ended.
    async fn work_off(&self, id: JobId) {
        while self.job(id).await["finished_at"].is_null() {
            let mut open = self.open(id).await;
            while let Some(sub_job) = open.pop() {
                if self.job(sub_job).await["is_workflow"] == true {
                    open.extend(self.open(sub_job).await);
                } else {
                    self.done(sub_job, json!({ "rows": 2, "share": 0.1 })).await;
                }
            }
        }
    }

    async fn sql(&self, statement: &str) {
        self.desk.database.connect().await.unwrap().batch_execute(statement).await.unwrap();
    }
}

/// A nested workflow whose list has come, in two chunks and behind the end that counts it.
async fn scanned(api: &Api) -> JobId {
    api.desk.apply(CHILD).await;
    api.desk.apply(NESTED).await;
    let id = api.submit(json!({ "type": "nested", "params": { "n": 1.5 } })).await;
    let scan = api.sub_jobs(id).await[0];
    let items = BTreeMap::from([("files".to_owned(), 5)]);
    let chunk = |values: &[&str]| JobEventKind::Items {
        name: "files".into(),
        values: values.iter().map(|v| json!(v)).collect(),
    };
    api.report(scan, chunk(&["a", "b", "c"])).await;
    let (result, warnings, progress) = (json!({ "n": 5 }), vec!["odd".into()], None);
    api.report(scan, JobEventKind::Completed { result, warnings, items, progress }).await;
    api.report(scan, chunk(&["d", "e"])).await;
    id
}

/// A workflow whose second step runs so many batches.
async fn batches(api: &Api, count: usize) -> (JobId, Vec<JobId>) {
    let (id, sub_jobs) = api.import(count).await;
    (id, sub_jobs.into_iter().skip(1).collect())
}

#[tokio::test]
async fn a_nested_workflow_with_retries_a_lost_worker_and_a_cancel_is_rebuilt() {
    let api = Api::new().await;
    let id = scanned(&api).await;
    let groups = api.open(id).await;
    assert_eq!(groups.len(), 2, "the window");
    let (one, other) = (api.open(groups[0]).await[0], api.open(groups[1]).await[0]);
    api.report(one, JobEventKind::Started).await;
    api.say(one, 40.0, "file a").await;
    api.report(other, JobEventKind::Started).await;
    api.say(other, 12.34, "file c").await;
    // Under way: what the workers have reported is taken as it is, everything above it must follow from it.
    assert_eq!(api.is_rebuilt(id).await, (6, 5));
    let error = JobError::retryable("io", "the disk hiccuped");
    api.report(
        one,
        JobEventKind::Failed { error, result: Some(json!({ "rows": 1 })), items: Default::default(), progress: None },
    )
    .await;
    api.is_rebuilt(id).await;
    api.comes_due(one).await;
    let session = api.desk.worker;
    api.input(Input::LeaseLost { job_id: other, dispatch: 1, session }).await;
    api.is_rebuilt(id).await;
    api.post(&format!("/api/v1/jobs/{id}/cancel")).await.ok();
    api.is_rebuilt(id).await;
    api.input(Input::NeverStarted { job_id: one, dispatch: 2 }).await;
    api.input(Input::NeverStarted { job_id: other, dispatch: 2 }).await;
    api.work_off(id).await;
    assert_eq!(api.job(id).await["status"], "cancelled");
    assert_eq!(api.is_rebuilt(id).await.1, 0);
    api.post(&format!("/api/v1/jobs/{id}/retry")).await.ok();
    api.is_rebuilt(id).await;
    api.work_off(id).await;
    let job = api.job(id).await;
    assert_eq!((&job["status"], &job["result"]["summary"]["n"]), (&json!("completed"), &json!(5)), "{job:#}");
    let (jobs, unfinished) = api.is_rebuilt(id).await;
    assert_eq!(unfinished, 0);
    assert!(jobs > 10, "{jobs}");
    // A part of it, by itself.
    assert_eq!(api.is_rebuilt(groups[0]).await, (3, 0));
    assert_eq!(api.is_rebuilt(one).await, (1, 0));
}

#[tokio::test]
async fn a_doctored_row_is_told_field_by_field() {
    let api = Api::new().await;
    let (id, batches) = batches(&api, 3).await;
    for batch in &batches {
        api.desk.complete(*batch, json!({ "rows": 7, "size": 1.25 })).await;
    }
    api.is_rebuilt(id).await;
    let batch = batches[1];
    api.sql(&format!("UPDATE jobs SET result = '{{\"rows\": 8, \"size\": 1.25}}' WHERE id = '{batch}'")).await;
    assert_eq!(api.differences(id).await, BTreeMap::from([("result.rows".into(), json!(8))]));
    assert_eq!(api.differences(batches[0]).await, BTreeMap::new(), "another job's row is none of its business");
    api.sql(&format!(
        "UPDATE jobs SET status = 'failed', progress = 9999, error = '{{\"kind\": \"x\", \"message\": \"y\"}}' WHERE id = '{batch}';
         UPDATE jobs SET workflow = jsonb_set(workflow::jsonb, '{{steps,1,done}}', '2'), started_at = started_at - interval '1 second',
             metadata = jsonb_set(metadata, '{{steps,1,done}}', '2') WHERE id = '{id}';
         DELETE FROM jobs WHERE id = '{}'", batches[2]
    ))
    .await;
    let fields: Vec<String> = api.differences(id).await.into_keys().collect();
    let expected = [
        "error",
        "job",
        "metadata.steps.1.done",
        "progress",
        "result.rows",
        "started_at",
        "status",
        "workflow.steps.1.done",
    ];
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn a_doctored_history_is_told_too() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.desk.start(id).await;
    api.desk.fail(id, "the disk is full").await;
    api.is_rebuilt(id).await;
    api.sql("UPDATE history SET detail = jsonb_set(detail, '{error,message}', '\"nothing\"') WHERE kind = 'failed'")
        .await;
    let differences = api.differences(id).await;
    assert_eq!(differences, BTreeMap::from([("error.message".into(), json!("the disk is full"))]));
    api.sql("UPDATE history SET kind = 'completed' WHERE kind = 'failed'").await;
    let fields: Vec<String> = api.differences(id).await.into_keys().collect();
    assert!(fields[1].starts_with("history.") && fields[1].ends_with(".kind"), "{fields:?}");
}

#[tokio::test]
async fn a_history_that_was_kept_by_an_older_version_is_refused() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.sql("UPDATE history SET input = NULL, given = NULL").await;
    let refused = api.get(&format!("/api/v1/jobs/{id}/replay")).await;
    assert!(refused.problem(422, "history_insufficient").contains("submitted since the update"), "{refused:?}");
    api.sql("DELETE FROM history").await;
    let refused = api.get(&format!("/api/v1/jobs/{id}/replay")).await;
    assert!(refused.problem(422, "history_insufficient").contains("it has no history"), "{refused:?}");
    // One that this version folded, and an older one went on with.
    let id = api.submit(json!({ "type": "validate" })).await;
    api.desk.start(id).await;
    api.sql("UPDATE history SET input = NULL, given = NULL WHERE kind = 'started'").await;
    let refused = api.get(&format!("/api/v1/jobs/{id}/replay")).await;
    refused.problem(422, "history_insufficient");
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_one_is_replayed_at_a_time() {
    let api = Api::new().await;
    let (id, _) = api.import(4).await;
    let (store, registry) = (&api.desk.app.store, &api.desk.app.context.registry);
    let replay = async |jobs, history_bytes| store.replay(registry, id, id, ReplayLimits { jobs, history_bytes }).await;
    assert_eq!(replay(6, 10_000).await.unwrap().jobs, 6);
    assert!(matches!(replay(5, 10_000).await, Err(ReplayFailure::TooManyJobs(5))));
    assert!(matches!(replay(6, 700).await, Err(ReplayFailure::TooLong(700))));

    let permit = api.replays.try_acquire().unwrap();
    api.get(&format!("/api/v1/jobs/{id}/replay")).await.problem(503, "busy");
    drop(permit);
    api.is_rebuilt(id).await;
    let unknown = JobId(uuid::Uuid::from_u128(7));
    api.get(&format!("/api/v1/jobs/{unknown}/replay")).await.problem(404, "not_found");
    api.get(&format!("/api/v1/jobs/{id}/replay?deep=1")).await.problem(400, "malformed");
}

#[tokio::test]
async fn a_tree_that_goes_on_meanwhile_is_compared_with_the_history_that_led_to_its_rows() {
    let api = Api::new().await;
    let (id, batches) = batches(&api, 10).await;
    let work = async {
        for batch in &batches {
            api.desk.start(*batch).await;
            api.desk.progress(*batch, 50.0, "half").await;
            api.desk.complete(*batch, json!({ "rows": 1 })).await;
        }
    };
    let mut replays = 0;
    let watch = async {
        while api.job(id).await["finished_at"].is_null() {
            api.is_rebuilt(id).await;
            replays += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(work, watch) }).await.unwrap();
    assert!(replays > 0);
    assert_eq!(api.is_rebuilt(id).await, (12, 0));
}

#[tokio::test]
async fn what_takes_several_folds_without_a_worker_ends_and_is_rebuilt() {
    let api = Api::new().await;
    let steps = "[{ key: no, job: validate, if: '${false}' }]";
    let each = format!("{{ key: each, for_each: '${{input.n}}', max_parallel: 1, steps: {steps} }}");
    api.desk.apply(&format!("name: nothing\ninput: {{ n: {{ type: array }} }}\nsteps: [{each}]")).await;
    let list: Vec<u32> = (0..300).collect();
    let id = api.submit(json!({ "type": "nothing", "params": { "n": list } })).await;
    let view = api.get(&format!("/api/v1/jobs/{id}")).await.ok();
    assert_eq!((&view["status"], &view["run_at"]), (&json!("running"), &Value::Null));
    let app = &api.desk.app;
    let mut folds = 0;
    loop {
        let due = app.store.due(100).await.unwrap();
        if due.is_empty() {
            break;
        }
        app.store.fold(&app.context, due).await.unwrap();
        folds += 1;
    }
    assert!(folds > 2, "{folds}");
    let view = api.get(&format!("/api/v1/jobs/{id}")).await.ok();
    assert_eq!((&view["status"], &view["metadata"]["steps"][0]["done"]), (&json!("completed"), &json!(300)));
    api.is_rebuilt(id).await;
}
