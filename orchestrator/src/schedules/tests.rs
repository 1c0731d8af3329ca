#![allow(clippy::unwrap_used, reason = "tests")]

use chrono::TimeDelta;
use drover_protocol::JobId;
use futures_util::future::join_all;

use super::*;
use crate::testing::Desk;

/// A workflow of one job with a schedule of these fields.
fn text(name: &str, fields: &str) -> String {
    format!("name: {name}\nsteps: [{{key: only, job: work}}]\nschedule: {{ {fields} }}\n")
}

/// A desk with the schedule `nightly`, every day at 03:00.
async fn nightly(fields: &str) -> Desk {
    let desk = Desk::new().await;
    desk.announce(&["work"]).await;
    desk.apply(&text("nightly", &format!("cron: '0 3 * * *', {fields}"))).await;
    desk
}

impl Desk {
    async fn sql(&self, statement: &str) {
        self.database.connect().await.unwrap().batch_execute(statement).await.unwrap();
    }

    /// As if nobody had fired schedules for so many days: that many times are open.
    async fn away(&self, days: u32) {
        self.sql(&format!("UPDATE schedules SET next_at = clock_timestamp() - interval '{days} days'")).await;
    }

    async fn fire(&self) {
        self.app.fire_schedule("nightly").await.unwrap();
    }

    async fn standing(&self) -> ScheduleStanding {
        self.app.schedule("nightly").await.unwrap()
    }

    async fn outcome(&self) -> String {
        self.standing().await.last.map(|last| last.outcome).unwrap_or_default()
    }

    async fn due(&self) -> Vec<String> {
        self.app.store.due_schedules(10).await.unwrap()
    }

    /// The runs, the first made first.
    async fn runs(&self) -> Vec<(JobId, Value)> {
        let client = self.database.connect().await.unwrap();
        let rows = client.query("SELECT id, labels FROM jobs WHERE parent_id IS NULL ORDER BY id", &[]).await.unwrap();
        rows.iter().map(|row| (JobId(row.get(0)), row.get(1))).collect()
    }

    /// Ends a run.
    async fn end(&self, run: JobId) {
        let client = self.database.connect().await.unwrap();
        let job = client.query_one("SELECT id FROM jobs WHERE parent_id = $1", &[&run.0]).await.unwrap();
        self.complete(JobId(job.get(0)), json!({})).await;
    }
}

#[tokio::test]
async fn replicas_that_fire_at_once_make_one_run() {
    let desk = nightly("time_zone: Europe/Berlin").await;
    let other = Desk::on(desk.database.url(), 1_000_000);
    for day in 1..=5 {
        desk.away(1).await;
        // So that the time is another one than that of the day before.
        desk.sql("DELETE FROM submissions").await;
        assert_eq!(desk.due().await, ["nightly"]);
        let all = (0..8)
            .map(|turn| if turn % 2 == 0 { desk.app.fire_schedule("nightly") } else { other.fire_schedule("nightly") });
        let fired: Vec<bool> = join_all(all).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(fired.iter().filter(|fired| **fired).count(), 1, "{fired:?}");
        let runs = desk.runs().await;
        assert_eq!(runs.len(), day);
        desk.end(runs[day - 1].0).await;
        assert!(desk.due().await.is_empty());
    }
    let (run, labels) = desk.runs().await.remove(4);
    let standing = desk.standing().await;
    let last = standing.last.clone().unwrap();
    assert_eq!(labels, json!({ "schedule": "nightly", "scheduled_at": time(last.at) }));
    assert_eq!((standing.last_job.unwrap().0, last.outcome.as_str(), last.reason), (run, "fired", None));
    let zone = standing.definition.schedule.as_ref().unwrap().time_zone;
    assert_eq!(standing.next_at.unwrap().with_timezone(&zone).format("%H:%M:%S").to_string(), "03:00:00");
    assert!(standing.next_at > Some(standing.now));
}

#[tokio::test]
async fn a_time_that_was_fired_is_not_fired_again_also_if_the_row_has_forgotten() {
    let desk = nightly("overlap: allow").await;
    desk.away(1).await;
    desk.fire().await;
    desk.sql("UPDATE schedules SET last_job_id = NULL, runs = '{}', next_at = clock_timestamp() - interval '1 day'")
        .await;
    desk.fire().await;
    let runs = desk.runs().await;
    assert_eq!(runs.len(), 1);
    assert_eq!(desk.standing().await.last_job.unwrap().0, runs[0].0, "its key leads to the run");
    let metrics = desk.app.metrics.text(&desk.app).await;
    assert!(metrics.contains("drover_schedules_fired_total{schedule=\"nightly\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_run_that_has_not_ended_is_not_run_beside() {
    let desk = nightly("overlap: skip").await;
    desk.away(2).await;
    desk.fire().await;
    assert_eq!(desk.standing().await.last.unwrap().reason.as_deref(), Some("1 earlier missed"));
    desk.away(1).await;
    desk.fire().await;
    let last = desk.standing().await.last.unwrap();
    assert_eq!((last.outcome.as_str(), last.reason.as_deref()), ("skipped", Some("a run of before had not ended")));
    let runs = desk.runs().await;
    assert_eq!(runs.len(), 1);
    // What a person runs counts as well.
    desk.end(runs[0].0).await;
    let asked = desk.app.run_schedule("nightly", None).await.unwrap();
    desk.away(1).await;
    desk.fire().await;
    assert_eq!((desk.outcome().await.as_str(), desk.runs().await.len()), ("skipped", 2));
    desk.end(asked.id).await;
    desk.sql("DELETE FROM submissions").await;
    desk.away(1).await;
    desk.fire().await;
    assert_eq!((desk.outcome().await.as_str(), desk.runs().await.len()), ("fired", 3));
}

#[tokio::test]
async fn a_run_that_failed_and_is_retried_is_not_run_beside() {
    let desk = nightly("overlap: skip").await;
    desk.away(1).await;
    desk.fire().await;
    let first = desk.runs().await[0].0;
    let client = desk.database.connect().await.unwrap();
    let job = client.query_one("SELECT id FROM jobs WHERE parent_id = $1", &[&first.0]).await.unwrap();
    desk.fail(JobId(job.get(0)), "the disk is full").await;
    let again = async || {
        desk.sql("DELETE FROM submissions").await;
        desk.away(1).await;
        desk.fire().await;
        (desk.outcome().await, desk.runs().await.len())
    };
    assert_eq!(again().await, ("fired".to_owned(), 2), "it has ended");
    desk.end(desk.runs().await[1].0).await;
    desk.app.retry(first, false).await.unwrap();
    assert_eq!(again().await, ("skipped".to_owned(), 2));
}

#[tokio::test]
async fn times_queue_up_behind_a_run_and_go_on_one_by_one() {
    let desk = nightly("overlap: queue, catch_up: all").await;
    desk.away(3).await;
    desk.fire().await;
    assert_eq!((desk.runs().await.len(), desk.standing().await.queued), (1, 2));
    for run in 1..=3 {
        let runs = desk.runs().await;
        assert_eq!(runs.len(), run);
        assert!(desk.due().await.is_empty(), "it waits");
        assert!(!desk.app.fire_schedule("nightly").await.unwrap());
        desk.end(runs[run - 1].0).await;
        assert_eq!(desk.due().await.len(), usize::from(run < 3));
        let other = Desk::on(desk.database.url(), 1_000_000);
        let both = tokio::join!(desk.app.fire_schedule("nightly"), other.fire_schedule("nightly"));
        assert_eq!([both.0.unwrap(), both.1.unwrap()].into_iter().filter(|fired| *fired).count(), usize::from(run < 3));
    }
    let times: Vec<Value> = desk.runs().await.into_iter().map(|(_, labels)| labels["scheduled_at"].clone()).collect();
    assert!(times.is_sorted_by_key(|time| time.as_str().unwrap().to_owned()), "{times:?}");
    assert_eq!(desk.standing().await.queued, 0);
}

#[tokio::test]
async fn runs_may_be_beside_each_other_where_that_is_allowed() {
    let desk = nightly("overlap: allow, catch_up: all").await;
    desk.away(3).await;
    desk.fire().await;
    assert_eq!(desk.runs().await.len(), 3);
}

#[tokio::test]
async fn after_an_outage_it_makes_up_for_what_the_rule_says_and_no_more() {
    let none = nightly("catch_up: none").await;
    none.away(3).await;
    none.fire().await;
    assert_eq!((none.runs().await.len(), none.outcome().await.as_str()), (0, "missed"));
    assert!(none.due().await.is_empty());

    let all = Desk::new().await;
    all.announce(&["work"]).await;
    all.apply(&text("nightly", "cron: '* * * * *', catch_up: all, overlap: allow")).await;
    all.away(30).await;
    all.fire().await;
    assert_eq!(all.runs().await.len(), drover_engine::definition::limits::CATCH_UP);
    let times: BTreeSet<String> =
        all.runs().await.into_iter().map(|(_, labels)| labels["scheduled_at"].to_string()).collect();
    assert_eq!(times.len(), drover_engine::definition::limits::CATCH_UP, "each time has a run");
}

#[tokio::test]
async fn a_restart_loses_no_time_that_is_open() {
    let desk = nightly("").await;
    desk.away(1).await;
    desk.apply(&text("nightly", "cron: '0 3 * * *', ")).await;
    desk.apply(&text("nightly", "cron: '0 3 * * *', overlap: queue")).await;
    assert_eq!(desk.due().await, ["nightly"], "neither the same definition nor another one with the same times");
    desk.apply(&text("nightly", "cron: '0 4 * * *'")).await;
    assert!(desk.due().await.is_empty(), "the times of another cron text begin now");
}

#[tokio::test]
async fn off_stays_off_until_a_person_says_otherwise() {
    let desk = nightly("").await;
    desk.away(1).await;
    let off = desk.app.switch_schedule("nightly", false).await.unwrap();
    assert!(!off.is_on() && off.next_at.is_none());
    assert!(desk.due().await.is_empty());
    desk.fire().await;
    desk.apply(&text("nightly", "cron: '0 5 * * *'")).await;
    desk.apply("name: nightly\nsteps: [{key: only, job: work}]\n").await;
    assert!(matches!(desk.app.schedule("nightly").await, Err(ActionError::UnknownSchedule(_))));
    assert!(matches!(desk.app.switch_schedule("nightly", true).await, Err(ActionError::UnknownSchedule(_))));
    desk.apply(&text("nightly", "cron: '0 5 * * *'")).await;
    assert!(!desk.standing().await.is_on(), "not by a new version, nor by one that had none");

    let on = desk.app.switch_schedule("nightly", true).await.unwrap();
    assert!(on.is_on() && on.next_at > Some(on.now), "what went by meanwhile is not made up for");
    assert_eq!(on.switched, None, "the definition says the same");
    assert!(on.next_at.unwrap() - on.now <= TimeDelta::days(1));
    desk.app.switch_schedule("nightly", true).await.unwrap();
    assert_eq!(desk.standing().await.next_at, on.next_at);
    desk.apply(&text("nightly", "cron: '0 5 * * *', enabled: false")).await;
    assert!(!desk.standing().await.is_on(), "so the next version decides");
    assert!(desk.app.switch_schedule("nightly", true).await.unwrap().is_on());
    desk.apply(&text("nightly", "cron: '0 6 * * *', enabled: false")).await;
    let on = desk.standing().await;
    assert!(on.is_on() && on.next_at.is_some(), "a person has turned it on against the definition");
    assert!(desk.runs().await.is_empty());
}

#[tokio::test]
async fn the_definition_of_the_moment_is_what_runs() {
    let desk = nightly("").await;
    desk.away(1).await;
    let changed = "name: nightly\ninput: { properties: { day: { default: monday } } }\nsteps: [{key: only, job: work}]\n\
                   schedule: { cron: '0 3 * * *', input: { path: /new } }\n";
    desk.apply(changed).await;
    // Also by a replica that has not heard of it.
    let other = Desk::on(desk.database.url(), 1_000_000);
    assert!(other.fire_schedule("nightly").await.unwrap());
    let run = desk.app.store.view_job(desk.runs().await[0].0, false).await.unwrap().unwrap();
    assert_eq!(run.view["params"], json!({ "path": "/new", "day": "monday" }));
}

#[tokio::test]
async fn one_that_fails_says_so_goes_on_and_harms_no_other() {
    let desk = nightly("input: { path: bad }").await;
    desk.apply(&text("other", "cron: '0 3 * * *'")).await;
    desk.sql("ALTER TABLE jobs ADD CONSTRAINT refused CHECK (params ->> 'path' <> 'bad')").await;
    desk.away(1).await;
    for name in desk.due().await {
        desk.app.fire_schedule(&name).await.unwrap();
    }
    let standing = desk.standing().await;
    let last = standing.last.unwrap();
    assert_eq!(last.outcome, "failed");
    assert!(last.reason.unwrap().contains("refused"));
    assert!(standing.next_at > Some(standing.now));
    assert_eq!(desk.app.schedule("other").await.unwrap().last.unwrap().outcome, "fired");
    assert_eq!(desk.runs().await.len(), 1);
    assert!(desk.due().await.is_empty());
}

#[tokio::test]
async fn one_whose_definition_cannot_be_read_is_looked_at_again_later() {
    let desk = nightly("").await;
    desk.sql("UPDATE definitions SET document = jsonb_set(document, '{schedule,cron}', '\"61 3 * * *\"')").await;
    desk.sql("UPDATE schedules SET queued = ARRAY[clock_timestamp() - interval '2 days']").await;
    desk.away(1).await;
    let other = Desk::on(desk.database.url(), 1_000_000);
    assert!(other.fire_schedule("nightly").await.unwrap());
    let client = desk.database.connect().await.unwrap();
    let row = "SELECT last_outcome, last_reason, next_at > clock_timestamp(), cardinality(queued) FROM schedules";
    let row = client.query_one(row, &[]).await.unwrap();
    let (outcome, reason): (String, String) = (row.get(0), row.get(1));
    assert!(outcome == "failed" && reason.contains("schedule.cron"), "{outcome}: {reason}");
    assert!(row.get::<_, bool>(2));
    assert_eq!(row.get::<_, i32>(3), 1, "what waited for a run of before waits still");
    assert!(desk.due().await.is_empty() && !other.fire_schedule("nightly").await.unwrap(), "for a minute");
    desk.sql("UPDATE schedules SET last_at = last_at - interval '2 minutes'").await;
    assert_eq!(desk.due().await, ["nightly"]);
}

#[tokio::test]
async fn a_run_now_is_once_for_each_key_and_leaves_the_times_alone() {
    let desk = nightly("enabled: false, input: { path: /in }").await;
    let key = || Some(Idempotency { scope: "test".into(), key: "k".into() });
    let first = desk.app.run_schedule("nightly", key()).await.unwrap();
    assert!(first.made.is_some());
    let again = desk.app.run_schedule("nightly", key()).await.unwrap();
    assert_eq!((again.id, again.made), (first.id, None));
    desk.app.run_schedule("nightly", None).await.unwrap();
    let runs = desk.runs().await;
    assert_eq!(runs.len(), 2, "beside the first");
    assert_eq!(runs[0].1, json!({ "schedule": "nightly" }));
    let standing = desk.standing().await;
    assert_eq!((standing.next_at, standing.last, standing.last_job.unwrap().0), (None, None, runs[1].0));
    for unknown in ["nobody", "no name"] {
        assert!(matches!(desk.app.run_schedule(unknown, None).await, Err(ActionError::UnknownSchedule(_))));
    }
}
