//! A cancel in each of the seven steps, which something real holds open: a lock of the database, a program at work, a pause.

use std::{fs, path::PathBuf};

use drover_tests::{
    fleet::PATIENCE,
    wait::{self, Seen},
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{
    Library, STEPS,
    approvals::{answer, waiting},
    assert_summary,
};
use crate::shapes::{assert_result, step};

/// Long enough that no program reaches its end by itself.
const LONG: u32 = 120;

/// Locks a table until the connection is closed: whoever asks for it waits.
async fn lock(library: &Library, table: &str) -> Client {
    let client = library.fleet.database.connect().await.expect("a connection");
    client.batch_execute(&format!("BEGIN; LOCK TABLE media.{table} IN ACCESS EXCLUSIVE MODE")).await.expect("locked");
    client
}

/// Plans can be approved and not be applied: they stay open until the run's end.
async fn refuse_tags(library: &Library) {
    let client = library.fleet.database.connect().await.expect("a connection");
    client.batch_execute("ALTER TABLE media.tags ADD CONSTRAINT no_tags CHECK (name = '')").await.expect("altered");
}

async fn until_running(library: &Library, id: &str, key: &str) {
    let what = format!("step {key} to run");
    library.fleet.until(id, &what, |job| step(job, key)["status"] == "running").await.expect("it runs");
}

/// Cancels a run in a step, which is held until it has ended. `lock`: what holds it, if it is that.
async fn cancel(library: &Library, id: &str, key: &str, lock: Option<Client>) -> Value {
    until_running(library, id, key).await;
    assert_eq!(library.ask(id, "cancel").await, 202);
    let settled = |job: &Value| step(job, key)["status"] == "cancelled";
    library.fleet.until(id, "the step to be cancelled", settled).await.expect("it is");
    drop(lock);
    library.fleet.ended(id).await.expect("it ends")
}

/// What must be true after a cancel in a step. `plans`: how many were open then.
async fn assert_cancelled(library: &Library, job: &Value, key: &str, plans: usize) {
    assert_eq!(job["status"], "cancelled", "{job}");
    assert!(job["progress"].as_f64().is_some_and(|bar| bar < 100.0), "{job}");
    assert_result(job);
    let at = STEPS.iter().position(|step| *step == key).expect("a step");
    for (index, key) in STEPS.into_iter().enumerate() {
        let status = step(job, key)["status"].as_str().expect("a status");
        let fits = match index {
            index if index < at => !["pending", "running", "cancelled"].contains(&status),
            // One that had not begun is left out.
            index if index == at => ["cancelled", "skipped"].contains(&status),
            _ => status == "skipped",
        };
        assert!(fits, "{key} is {status}: {job}");
    }
    assert_eq!(step(job, "leftovers")["status"], "completed", "the clean-up ran: {job}");
    let drafts = library.texts("SELECT reason FROM media.plans WHERE status = 'draft'").await;
    assert_eq!(drafts, vec!["the run ended before they were applied"; plans]);
    assert_eq!(library.number("SELECT count(*) FROM media.plans WHERE status IN ('pending', 'approved')").await, 0);
    let unfinished = "SELECT count(*) FROM jobs WHERE finished_at IS NULL";
    assert_eq!(library.number(unfinished).await, 0, "nothing is running or going to");
    library.at_rest().await;
    let previews = library.previews();
    let is_half = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    assert!(!previews.iter().any(is_half), "no half file: {previews:?}");
}

#[tokio::test]
async fn a_cancel_in_step_1_while_downloads_are_looked_up() {
    let library = Library::new().await;
    library.download("one.mp4", 1);
    let lock = lock(&library, "downloads").await;
    let id = library.submit(json!({})).await;
    library.waits_for_a_lock().await;
    let job = cancel(&library, &id, "downloads", Some(lock)).await;
    assert_cancelled(&library, &job, "downloads", 0).await;
    assert!(!library.path("library/one.mp4").exists(), "nothing was linked");
}

#[tokio::test]
async fn a_cancel_in_step_2_while_ffprobe_hangs_on_a_file() {
    let library = Library::new().await;
    library.download("one.mp4", 1);
    library.program("ffprobe", "case \"$*\" in *one.mp4*) exec sleep 1000;; esac");
    let id = library.submit(json!({})).await;
    library.at_work(&["sleep 1000"]).await;
    let job = cancel(&library, &id, "scan", None).await;
    assert_cancelled(&library, &job, "scan", 0).await;

    // What was linked is scanned by the next run, which links nothing.
    library.program("ffprobe", "");
    let next = library.run(json!({})).await;
    assert_eq!((&next["status"], &next["result"]["summary"]["total_synced_items"]), (&json!("completed"), &json!(0)));
    assert_eq!(next["result"]["summary"]["total_scenes_analyzed"], 1, "{next}");
}

#[tokio::test]
async fn a_cancel_in_step_3_while_scenes_are_written() {
    let library = Library::new().await;
    library.download("one.mp4", 1);
    let lock = lock(&library, "scenes").await;
    let id = library.submit(json!({})).await;
    library.waits_for_a_lock().await;
    let job = cancel(&library, &id, "sync", Some(lock)).await;
    assert_cancelled(&library, &job, "sync", 0).await;
}

#[tokio::test]
async fn a_cancel_in_step_4_while_a_plan_waits_for_a_person_and_ffmpeg_is_at_work() {
    let library = Library::new().await;
    library.download("quick.mp4", 1);
    library.download("slow.mp4", LONG);
    library.program("ffmpeg", "case \"$*\" in *slow.mp4*) exec ffmpeg -re \"$@\";; esac");
    let id = library.submit(json!({ "approve": "manual", "batch_size": 1 })).await;
    library.at_work(&["-re", "slow.mp4"]).await;
    wait::until("the other's plan to wait", PATIENCE, async || {
        let waiting = library.number("SELECT count(*) FROM jobs WHERE type = 'signal' AND status = 'running'").await;
        Ok(if waiting == 1 { Seen::Yes(()) } else { Seen::not_yet(waiting) })
    })
    .await
    .expect("it waits");
    let job = cancel(&library, &id, "analysis", None).await;
    assert_cancelled(&library, &job, "analysis", 1).await;
    assert_eq!(library.number("SELECT count(*) FROM media.tags").await, 0);
    assert_eq!(library.number("SELECT count(*) FROM media.plans").await, 1, "half a look is no plan");

    // The same run goes on when it is retried: both scenes get a plan that waits for a person, and is applied.
    library.program("ffmpeg", "");
    assert_eq!(library.ask(&id, "retry").await, 202);
    for plan in waiting(&library, 2).await {
        answer(&library, &plan, true, "").await;
    }
    let job = library.fleet.ended(&id).await.expect("it ends");
    assert_eq!(job["status"], "completed", "{job}");
    assert_summary(&job, &[("total_scenes_analyzed", 2)]);
    assert_eq!(library.number("SELECT count(*) FROM media.plans WHERE status = 'applied'").await, 2);
}

#[tokio::test]
async fn a_cancel_in_step_5_while_a_sheet_is_encoded() {
    let library = Library::new().await;
    refuse_tags(&library).await;
    library.download("slow.mp4", LONG);
    library.program("ffmpeg", "case \"$*\" in *tile=*) exec ffmpeg -re \"$@\";; esac");
    let id = library.submit(json!({})).await;
    library.at_work(&["-re", "tile="]).await;
    let job = cancel(&library, &id, "previews", None).await;
    assert_cancelled(&library, &job, "previews", 1).await;
    let made = library.previews();
    assert!(made.len() == 1 && made[0].ends_with("thumbnail.jpg"), "what was whole by then: {made:?}");
}

/// A run whose final sync has something to do and waits for a lock.
async fn held_in_final_sync(library: &Library) -> (String, Client) {
    refuse_tags(library).await;
    library.download("one.mp4", 1);
    let go = library.path("bin/go");
    let waits = format!("case \"$*\" in *tile=*) until [ -e '{}' ]; do sleep 0.05; done;; esac", go.display());
    library.program("ffmpeg", &waits);
    let id = library.submit(json!({})).await;
    library.at_work(&["tile="]).await;
    // As if somebody had scanned meanwhile and found the file changed. Its job has read the scene, and asks no more for it.
    let client = library.fleet.database.connect().await.expect("a connection");
    client.batch_execute("UPDATE media.files SET revision = revision + 1").await.expect("changed");
    let lock = lock(library, "scenes").await;
    fs::write(go, "").expect("written");
    library.waits_for_a_lock().await;
    until_running(library, &id, "final_sync").await;
    (id, lock)
}

#[tokio::test]
async fn a_cancel_in_step_6_while_scenes_are_written_again() {
    let library = Library::new().await;
    let (id, lock) = held_in_final_sync(&library).await;
    let job = cancel(&library, &id, "final_sync", Some(lock)).await;
    assert_cancelled(&library, &job, "final_sync", 1).await;
    assert_eq!(library.previews().len(), 4, "what the steps before made stays");
}

#[tokio::test]
async fn a_cancel_in_step_7_which_a_pause_holds() {
    let library = Library::new().await;
    let (id, lock) = held_in_final_sync(&library).await;
    assert_eq!(library.ask(&id, "pause").await, 202);
    drop(lock);
    let settled = |job: &Value| step(job, "final_sync")["status"] == "completed";
    let job = library.fleet.until(&id, "what runs to end", settled).await.expect("it ends");
    assert_eq!((&job["status"], &job["paused"]), (&json!("running"), &json!(true)), "{job}");
    assert_eq!(library.ask(&id, "cancel").await, 202);
    let job = library.fleet.ended(&id).await.expect("it ends");
    assert_cancelled(&library, &job, "complete", 1).await;
}
