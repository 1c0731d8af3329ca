//! Paused job types.

use std::{collections::BTreeSet, time::Duration};

use drover_protocol::{PausedTypes, WorkerSession};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use crate::{
    store::{WorkerArrival, WorkerBeat},
    testing::job_type,
};

impl Api {
    /// A heartbeat of a worker that takes `validate`; `obeys`: the version of the paused types.
    async fn beat(&self, session: WorkerSession, seq: u64, obeys: Option<u64>) {
        let beat = WorkerBeat {
            session,
            seq,
            running: Vec::new(),
            types: vec![job_type("validate")],
            acknowledged: BTreeSet::new(),
            draining: false,
            paused_version: obeys,
        };
        self.desk.app.store.heartbeats(&[beat]).await.unwrap();
    }

    async fn told(&self) -> PausedTypes {
        self.desk.app.store.paused_types_since(0).await.unwrap().unwrap()
    }

    /// The control messages that are owed to the workers.
    async fn owed(&self) -> Vec<Value> {
        let client = self.desk.database.connect().await.unwrap();
        let rows = client.query("SELECT body FROM outbox WHERE kind = 'control' ORDER BY id", &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[tokio::test]
async fn a_pause_of_a_type_is_told_whole_and_counts_who_has_heard_of_it() {
    let api = Api::new().await;
    let before = api.told().await;
    assert_eq!((before.all, before.types.len()), (false, 0));
    let paused = api.post("/api/v1/types/validate/pause?reason=new%20disks").await;
    assert_eq!((paused.status.as_u16(), &paused.body["type"]), (202, &json!("validate")));
    assert_eq!((&paused.body["paused"], &paused.body["reason"]), (&json!(true), &json!("new disks")));
    assert_eq!(paused.body["workers"], json!({ "live": 1, "acknowledged": 0, "unaware": 0 }), "not heard yet");
    let told = api.told().await;
    assert!(told.version > before.version && told.covers(&job_type("validate")) && !told.covers(&job_type("process")));
    let control = json!({ "kind": "paused_types", "version": told.version, "all": false, "types": ["validate"] });
    assert_eq!(api.owed().await, [control], "in the same transaction");

    let [heard, older] = [WorkerSession(Uuid::now_v7()), WorkerSession(Uuid::now_v7())];
    api.beat(heard, 1, Some(before.version)).await;
    api.beat(older, 1, None).await;
    let counts = api.get("/api/v1/pauses").await.ok();
    assert_eq!(counts["paused"][0]["workers"], json!({ "live": 3, "acknowledged": 0, "unaware": 1 }));
    api.beat(heard, 2, Some(told.version)).await;
    api.post("/api/v1/types/process/pause").await.ok();
    let counts = api.get("/api/v1/pauses").await.ok();
    let of = |name: &str| counts["paused"].as_array().unwrap().iter().find(|pause| pause["type"] == name).unwrap();
    assert_eq!(of("validate")["workers"]["acknowledged"], 1, "a later pause of another type takes nothing back");
    assert_eq!(of("process")["workers"], json!({ "live": 1, "acknowledged": 0, "unaware": 0 }), "who takes it");

    let types = api.get("/api/v1/types").await.ok();
    assert!(
        types["types"].as_array().unwrap().iter().all(|info| info["paused"] == true && info["paused_at"].is_string())
    );
    assert_eq!(api.get("/healthz/ready").await.ok()["paused"], json!(["process", "validate"]));
}

#[tokio::test]
async fn a_repeat_changes_nothing_and_a_resume_rises_above_the_pause() {
    let api = Api::new().await;
    api.post("/api/v1/types/validate/pause").await.ok();
    let paused = api.told().await;
    api.post("/api/v1/types/validate/pause").await.ok();
    assert_eq!((api.told().await, api.owed().await.len()), (paused.clone(), 1));
    for _ in 0..2 {
        let resumed = api.post("/api/v1/types/validate/resume").await;
        assert_eq!((resumed.status.as_u16(), &resumed.body), (202, &json!({ "type": "validate", "paused": false })));
    }
    let resumed = api.told().await;
    assert!(resumed.version > paused.version && resumed.types.is_empty());
    assert_eq!(api.owed().await.len(), 2);
    assert_eq!(api.get("/api/v1/pauses").await.ok(), json!({ "paused": [] }));
}

#[tokio::test]
async fn all_types_are_paused_beside_those_that_are_by_themselves() {
    let api = Api::new().await;
    api.post("/api/v1/types/process/pause").await.ok();
    assert_eq!(api.post("/api/v1/types/pause").await.ok()["type"], "*");
    assert!(api.told().await.covers(&job_type("anything")));
    for part in ["validate", "process"] {
        let part = api.post(&format!("/api/v1/types/{part}/resume")).await;
        assert!(part.problem(409, "all_paused").contains("drover resume --all"));
    }
    assert_eq!(api.post("/api/v1/types/resume").await.ok(), json!({ "type": "*", "paused": false }));
    let told = api.told().await;
    assert!(told.covers(&job_type("process")) && !told.covers(&job_type("validate")));
}

#[tokio::test]
async fn a_name_that_no_worker_announced_is_refused_with_the_way_out() {
    let api = Api::new().await;
    api.import(1).await;
    for action in ["pause", "resume"] {
        let at = |name: &str| format!("/api/v1/types/{name}/{action}");
        assert!(api.post(&at("validat")).await.problem(404, "unknown_type").contains("drover types"));
        let refused = api.post(&at("import")).await;
        let detail = refused.problem(422, "is_workflow");
        assert!(detail.contains("drover pause ID") && detail.ends_with("process, validate"), "{detail}");
        api.post(&at("No")).await.problem(400, "malformed");
    }
    let long = "x".repeat(300);
    api.post(&format!("/api/v1/types/validate/pause?reason={long}")).await.problem(400, "malformed");
}

#[tokio::test]
async fn what_was_cancelled_in_the_queue_of_a_paused_type_is_remembered_until_it_may_have_come_out() {
    let api = Api::new().await;
    let id = api.submit(json!({ "type": "validate" })).await;
    api.post("/api/v1/types/validate/pause").await.ok();
    api.post(&format!("/api/v1/jobs/{id}/cancel?now=true")).await.ok();
    let client = api.desk.database.connect().await.unwrap();
    let remembered = async || -> i64 { client.query_one("SELECT count(*) FROM tombstones", &[]).await.unwrap().get(0) };
    client.execute("UPDATE tombstones SET created_at = created_at - interval '1 day'", &[]).await.unwrap();
    let (hour, store) = (Duration::from_secs(3_600), &api.desk.app.store);
    store.delete_tombstones(hour, 10).await.unwrap();
    assert_eq!(remembered().await, 1, "its message still lies there");
    api.post("/api/v1/types/validate/resume").await.ok();
    store.delete_tombstones(hour, 10).await.unwrap();
    assert_eq!(remembered().await, 1, "it comes out from now on");
    store.delete_tombstones(Duration::ZERO, 10).await.unwrap();
    assert_eq!(remembered().await, 0);
}

#[tokio::test]
async fn a_worker_that_arrives_learns_what_is_paused() {
    let api = Api::new().await;
    api.post("/api/v1/types/validate/pause").await.ok();
    let arrival = WorkerArrival {
        session: WorkerSession(Uuid::now_v7()),
        seq: 1,
        types: Vec::new(),
        version: "1".into(),
        host: "here".into(),
        concurrency: 1,
        control_queue: None,
    };
    let briefing = api.desk.app.store.worker_up(&arrival, 1).await.unwrap();
    assert_eq!(briefing.paused, api.told().await);
    assert!(briefing.paused.covers(&job_type("validate")));
}
