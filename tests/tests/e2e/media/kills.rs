//! Workers that are killed in the middle of their work.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::{Library, definition};

/// Fast enough for a test; slower than any pause of a loaded machine.
const LEASE: (&str, &str) = ("DROVER__ORCHESTRATOR__LEASE_SECONDS", "4");

/// Kills the worker with this process id.
fn kill(library: &mut Library, pid: i32) {
    let worker = library.fleet.workers.iter_mut().find(|worker| worker.pid().as_raw() == pid);
    worker.expect("one of the workers").kill().expect("killed");
}

/// Whether a preview can be read to its end.
fn is_whole(path: &Path) -> bool {
    if path.extension().is_some_and(|ending| ending == "vtt") {
        return fs::read_to_string(path).is_ok_and(|text| text.starts_with("WEBVTT") && text.ends_with('\n'));
    }
    let read = ["-nostdin", "-loglevel", "error", "-xerror", "-i"];
    let output = Command::new("ffmpeg").args(read).arg(path).args(["-f", "null", "-"]).output().expect("ffmpeg runs");
    output.status.success() && output.stderr.is_empty()
}

#[tokio::test]
async fn workers_killed_in_the_middle_of_a_batch_leave_nothing_half_done_and_nothing_twice() {
    const SCENES: i64 = 4;
    let mut library = Library::with(&definition(), &[LEASE]).await;
    // The second look of each worker takes as long as its video, and so does each sprite sheet, until the test says otherwise.
    let folder = library.path("bin").display().to_string();
    let slow = format!(
        "case \"$*\" in
            *scene,0*) [ -e '{folder}/looked' ] || mkdir '{folder}/first'-$PPID 2>/dev/null || exec ffmpeg -re \"$@\";;
            *tile=*) [ -e '{folder}/drawn' ] || exec ffmpeg -re \"$@\";;
        esac"
    );
    library.program("ffmpeg", &slow);
    for number in 0..SCENES {
        library.download(&format!("{number}.mp4"), 8);
    }
    let id = library.submit(json!({ "batch_size": 2 })).await;

    let victim = library.at_work(&["-re", "scene,0"]).await;
    let looked_at = library.number("SELECT count(*) FROM media.cuts").await;
    assert!(looked_at >= 1, "a part of its batch is done: {looked_at}");
    kill(&mut library, victim);
    fs::write(library.path("bin/looked"), "").expect("written");
    let victim = library.at_work(&["-re", "tile="]).await;
    kill(&mut library, victim);
    fs::write(library.path("bin/drawn"), "").expect("written");

    let job = library.fleet.ended(&id).await.expect("it ends");
    assert_eq!((&job["status"], &job["result"]["summary"]["total_errors"]), (&json!("completed"), &json!(0)), "{job}");
    let attempts = library.jobs("analysis").await;
    assert!(attempts.len() == 2 && attempts.iter().any(|batch| batch["attempt"] == 2), "{attempts:?}");
    assert_eq!(library.texts("SELECT status FROM media.plans").await, ["applied", "applied"], "a plan for each batch");
    let scenes = "SELECT count(DISTINCT scene_id) FROM media.plan_scenes";
    assert_eq!(
        (library.number(scenes).await, library.number("SELECT count(*) FROM media.plan_scenes").await),
        (SCENES, SCENES)
    );
    let twice = "SELECT count(*) FROM (SELECT FROM media.plan_changes GROUP BY scene_id, kind, value, at_ms HAVING count(*) > 1) x";
    assert_eq!(library.number(twice).await, 0, "nothing is proposed twice");
    let unwritten = "SELECT count(*) FROM media.plan_changes WHERE status <> 'applied'";
    assert_eq!(library.number(unwritten).await, 0);

    // What a dead worker had begun has another name, and goes by the clean-up.
    library.at_rest().await;
    library.fleet.run("media_cleanup", json!({ "temp_hours": 0 })).await.expect("it ends");
    let previews = library.previews();
    assert_eq!(previews.len(), 4 * usize::try_from(SCENES).expect("a count"), "{previews:?}");
    for preview in &previews {
        assert!(is_whole(preview), "{}", preview.display());
    }
    assert_eq!(library.number("SELECT count(*) FROM media.generated WHERE error IS NULL").await, 3 * SCENES);
}
