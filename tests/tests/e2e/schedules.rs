//! Schedules: what the clock submits, once for each time, whatever happens to the orchestrators.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
};

use drover_tests::{
    Fleet, binary,
    fleet::PATIENCE,
    wait::{self, Seen},
};
use serde_json::{Value, json};

fn drover(fleet: &Fleet, args: &[&str]) -> Output {
    let mut command = Command::new(binary("drover").expect("the command line is built"));
    command.args(args).env("DROVER_URL", fleet.url()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn definition(name: &str, schedule: &str) -> String {
    format!(
        "name: {name}\ninput: {{ type: object, properties: {{ value: {{}} }} }}\n\
         steps: [{{ key: only, job: noop, params: {{ value: '${{input.value}}' }} }}]\nschedule: {{ {schedule}, input: {{ value: 7 }} }}\n"
    )
}

async fn fleet(orchestrators: usize) -> Fleet {
    let mut fleet = Fleet::start(orchestrators, &[]).await.expect("the orchestrators start");
    fleet.workers("drover-test-worker", 1, &[("DROVER__WORKER__CONCURRENCY", "4")]).await.expect("the worker starts");
    fleet
}

/// The runs of a schedule by the clock, once there are so many.
async fn runs(fleet: &Fleet, name: &str, least: usize) -> Vec<Value> {
    let path = format!("/api/v1/jobs?limit=500&label=schedule:{name}");
    wait::until("the runs", PATIENCE, async || {
        let jobs = fleet.get(&path).await?["jobs"].as_array().cloned().unwrap_or_default();
        Ok(if jobs.len() >= least { Seen::Yes(jobs) } else { Seen::not_yet(jobs.len()) })
    })
    .await
    .expect("they are made")
}

#[tokio::test]
async fn two_orchestrators_submit_every_second_once_until_it_is_turned_off() {
    let mut fleet = fleet(2).await;
    fleet.apply(&definition("tick", "cron: '* * * * * *', overlap: allow")).await.expect("valid");
    runs(&fleet, "tick", 3).await;
    // The other one goes on alone.
    fleet.orchestrators[1].process.kill().expect("killed");
    let before = runs(&fleet, "tick", 4).await.len();
    runs(&fleet, "tick", before + 2).await;
    let off = drover(&fleet, &["schedules", "disable", "tick"]);
    assert_eq!(text(&off.stdout), "tick is off\n", "{}", text(&off.stderr));

    let made = runs(&fleet, "tick", before + 2).await;
    let times: BTreeSet<&str> = made.iter().filter_map(|job| job["labels"]["scheduled_at"].as_str()).collect();
    assert_eq!(times.len(), made.len(), "each has a time of its own: {made:#?}");
    for job in &made {
        // Which replays it, too.
        let ended = fleet.ended(job["id"].as_str().expect("a text")).await.expect("it ends");
        assert_eq!((&ended["status"], &ended["params"]), (&json!("completed"), &json!({ "value": 7 })));
    }
    let one = made[0]["id"].as_str().expect("a text");
    let replayed = drover(&fleet, &["replay", one]);
    assert!(replayed.status.success(), "{}{}", text(&replayed.stdout), text(&replayed.stderr));

    let ran = drover(&fleet, &["schedules", "run", "tick"]);
    let id = text(&ran.stdout).trim().to_owned();
    assert_eq!(fleet.ended(&id).await.expect("it ends")["labels"], json!({ "schedule": "tick" }));
    let all = runs(&fleet, "tick", made.len() + 1).await;
    assert_eq!(all.len(), made.len() + 1, "nothing by the clock since it is off");
    let shown = fleet.get("/api/v1/schedules/tick").await.expect("answered");
    assert_eq!((&shown["enabled"], &shown["last_job"]), (&json!(false), &json!({ "id": id, "status": "completed" })));
    fleet.silence();
}

#[tokio::test]
async fn what_an_outage_left_out_is_made_up_for_once_by_whoever_comes_back() {
    let mut fleet = fleet(1).await;
    fleet.apply(&definition("nightly", "cron: '0 3 * * *', time_zone: Europe/Berlin")).await.expect("valid");
    fleet.orchestrators[0].process.kill().expect("killed");
    let client = fleet.database.connect().await.expect("a connection");
    let away = "UPDATE schedules SET next_at = clock_timestamp() - interval '4 days'";
    assert_eq!(client.execute(away, &[]).await.expect("written"), 1);
    fleet.orchestrators.clear();
    for _ in 0..2 {
        let orchestrator = fleet.spawn_orchestrator().expect("it starts");
        fleet.orchestrators.push(orchestrator);
    }
    for index in 0..2 {
        fleet.ready(index).await.expect("it is ready");
    }
    let made = runs(&fleet, "nightly", 1).await;
    let ended = fleet.ended(made[0]["id"].as_str().expect("a text")).await.expect("it ends");
    assert_eq!(ended["status"], "completed");
    let shown = fleet.get("/api/v1/schedules/nightly").await.expect("answered");
    let (outcome, reason) = (shown["last_outcome"].as_str(), shown["last_reason"].as_str().unwrap_or_default());
    assert!(outcome == Some("fired") && reason.ends_with(" earlier missed"), "{shown:#}");
    assert!(shown["next_at"].as_str() > shown["last_at"].as_str(), "{shown:#}");
    assert_eq!(runs(&fleet, "nightly", 1).await.len(), 1);
    fleet.silence();
}
