//! What several transactions at once must not do to each other, and to whoever reads on from the last row it has seen.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use drover_engine::Tree;
use drover_protocol::{JobEvent, JobEventKind, JobId, LogLevel, limits};
use drover_tests::{
    Database,
    wait::{self, Seen},
};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Trail, load, logs, statements as sql};
use crate::{app::App, testing::Desk};

const PATIENCE: Duration = Duration::from_secs(20);
/// A replica that is silent for longer is taken for dead.
const SILENCE: Duration = Duration::from_secs(3);

/// Waits until a task that writes is done, or waits for another transaction.
async fn until_done_or_waiting<T>(desk: &Desk, task: &JoinHandle<T>) {
    let client = desk.database.connect().await.expect("a connection");
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait::until("the writer to be done or to wait", PATIENCE, async || {
        let waiting: i64 = client.query_one(waiting, &[]).await?.get(0);
        Ok(if task.is_finished() || waiting > 0 { Seen::Yes(()) } else { Seen::not_yet("it is at it") })
    })
    .await
    .expect("it comes to that");
}

fn line(desk: &Desk, job: JobId, message: &str) -> JobEvent {
    let (level, fields) = (LogLevel::Info, Default::default());
    desk.event(job, JobEventKind::Log { level, message: message.into(), fields })
}

/// Reads on from the last row it has seen.
#[derive(Default)]
struct Reader {
    logs_after: i64,
    history_after: i64,
    logs: Vec<Value>,
    history: Vec<Value>,
}

impl Reader {
    async fn read_on(&mut self, app: &App, root: JobId) {
        let (page, _) = app.store.view_logs(Trail::Tree { root }, self.logs_after, None, 100).await.expect("read");
        for (id, line) in page {
            self.logs_after = id;
            self.logs.push(line["message"].clone());
        }
        let (page, _) = app.store.view_history(Trail::Tree { root }, self.history_after, 100).await.expect("read");
        for (id, event) in page {
            self.history_after = id;
            self.history.push(event["kind"].clone());
        }
    }
}

/// A migration may rewrite a large table.
#[tokio::test]
async fn a_migration_takes_the_time_that_it_needs() {
    let database = Database::create().await.expect("a database");
    let hurried = "CREATE FUNCTION hurried() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('statement_timeout') <> '0' THEN RAISE EXCEPTION 'hurried'; END IF;
        END $$;
        CREATE EVENT TRIGGER hurried ON ddl_command_start EXECUTE FUNCTION hurried()";
    database.connect().await.expect("a connection").batch_execute(hurried).await.expect("set up");
    Desk::on(database.url(), 1_000_000).store.migrate().await.expect("migrated");
}

#[tokio::test]
async fn log_lines_that_are_committed_out_of_order_are_not_missed() {
    let desk = Desk::new().await;
    desk.announce(&["work"]).await;
    let id = desk.submit("work").await;
    // Another replica is slow: its line has its id, and is not committed.
    let mut client = desk.app.store.client().await.expect("a connection");
    let slow = client.transaction().await.expect("begun");
    logs::insert(&slow, &[line(&desk, id, "first")], None).await.expect("written");
    let (app, event) = (Arc::clone(&desk.app), line(&desk, id, "second"));
    let quick = tokio::spawn(async move { app.store.insert_logs(&[event], None).await });
    until_done_or_waiting(&desk, &quick).await;
    let mut reader = Reader::default();
    reader.read_on(&desk.app, id).await;
    slow.commit().await.expect("committed");
    quick.await.expect("no panic").expect("kept");
    reader.read_on(&desk.app, id).await;
    assert_eq!(reader.logs, ["first", "second"]);
}

#[tokio::test]
async fn history_that_is_committed_out_of_order_is_not_missed() {
    let desk = Arc::new(Desk::new().await);
    desk.announce(&["work"]).await;
    let id = desk.submit("work").await;
    let mut reader = Reader::default();
    reader.read_on(&desk.app, id).await;
    let known = reader.history.len();
    // Another replica is slow: it folds something of this tree, under the lock of the root as every fold does.
    let slow = desk.app.store.unit().await.expect("a connection");
    let registry = &desk.app.context.registry;
    slow.first(load::lock(&slow, registry, &[id.0], &mut Tree::default())).await.expect("locked");
    let (ids, numbers, kinds) = (vec![id.0], vec![1_i32], vec!["slow"]);
    let (details, inputs, times) = (vec![None::<Value>], vec![None::<String>], vec![Utc::now()]);
    slow.execute(sql::INSERT_HISTORY, &[&ids, &ids, &numbers, &numbers, &kinds, &details, &inputs, &details, &times])
        .await
        .expect("written");
    let folding = Arc::clone(&desk);
    let quick = tokio::spawn(async move { folding.start(id).await });
    until_done_or_waiting(&desk, &quick).await;
    reader.read_on(&desk.app, id).await;
    slow.commit().await.expect("committed");
    quick.await.expect("no panic");
    reader.read_on(&desk.app, id).await;
    assert_eq!(reader.history[known..], ["slow", "started"]);
}

/// A further replica on the desk's database.
fn replica(desk: &Desk) -> App {
    Desk::on(desk.database.url(), limits::MESSAGE_BYTES)
}

/// How many rows this replica may publish.
async fn claimed(app: &App) -> usize {
    app.store.release_claims(SILENCE).await.expect("released");
    app.store.claim_outbox(100, app.context.claim).await.expect("claimed").len()
}

#[tokio::test]
async fn what_a_killed_replica_owes_is_published_by_another_before_its_claim_ends() {
    let desk = Desk::new().await;
    let other = replica(&desk);
    for app in [&*desk.app, &other] {
        app.store.beat(app.context.claim.by, "host", "1", Duration::ZERO).await.expect("it lives");
    }
    desk.announce(&["work"]).await;
    desk.submit("work").await;
    assert_eq!(claimed(&other).await, 0, "its replica is about to publish it");
    let client = desk.database.connect().await.expect("a connection");
    let silent = "UPDATE orchestrators SET seen_at = seen_at - interval '4 seconds' WHERE id = $1";
    client.execute(silent, &[&desk.app.context.claim.by]).await.expect("killed");
    assert_eq!(claimed(&other).await, 1);
    assert_eq!(claimed(&replica(&desk)).await, 0, "now the other one is about to publish it");
}

#[tokio::test]
async fn the_eldest_of_the_living_replicas_does_what_one_is_enough_for() {
    let desk = Desk::new().await;
    let (first, second) = (replica(&desk).context.claim.by, replica(&desk).context.claim.by);
    let eldest = async || desk.app.store.eldest_replica(SILENCE).await.expect("read");
    assert_eq!(eldest().await, None, "nobody has beaten yet");
    for id in [second, first] {
        desk.app.store.beat(id, "host", "1", Duration::ZERO).await.expect("it lives");
    }
    assert_eq!(eldest().await, Some(first));
    let client = desk.database.connect().await.expect("a connection");
    let silent = "UPDATE orchestrators SET seen_at = seen_at - interval '4 seconds' WHERE id = $1";
    client.execute(silent, &[&first]).await.expect("killed");
    assert_eq!(eldest().await, Some(second));
}

#[tokio::test]
async fn workers_that_are_long_gone_are_forgotten_unless_they_hold_something() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let desk = Desk::new().await;
    desk.announce(&["work"]).await;
    let id = desk.submit("work").await;
    desk.start(id).await;
    let client = desk.database.connect().await.expect("a connection");
    client.execute("UPDATE workers SET host = 'holds', status = 'lost'", &[]).await.expect("lost");
    for (host, status) in [("lost", "lost"), ("down", "down"), ("silent", "live")] {
        let insert = "INSERT INTO workers (session, host, version, types, concurrency, status) VALUES (gen_random_uuid(), $1, '1', '{}', 1, $2)";
        client.execute(insert, &[&host, &status]).await.expect("there");
    }
    let left = async || {
        let rows = client.query("SELECT host FROM workers ORDER BY host", &[]).await.expect("read");
        rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
    };
    desk.app.store.forget_workers(DAY, 100).await.expect("forgotten");
    assert_eq!(left().await, ["down", "holds", "lost", "silent"], "they were there just now");
    client.execute("UPDATE workers SET seen_at = seen_at - interval '25 hours'", &[]).await.expect("aged");
    desk.app.store.forget_workers(DAY, 1).await.expect("forgotten");
    assert_eq!(left().await.len(), 3, "no more than were asked for");
    desk.app.store.forget_workers(DAY, 100).await.expect("forgotten");
    assert_eq!(left().await, ["holds", "silent"], "whether one that counts as live is lost, leases decide");
}

#[tokio::test]
async fn no_session_compiles_what_runs_for_a_millisecond() {
    let desk = Desk::new().await;
    let store = &desk.app.store;
    for client in [store.client().await.expect("a connection"), store.by_key().await.expect("a connection")] {
        let jit: String = client.query_one("SHOW jit", &[]).await.expect("an answer").get(0);
        assert_eq!(jit, "off");
    }
}

#[tokio::test]
async fn a_marker_of_the_future_is_forged() {
    let desk = Desk::new().await;
    let store = &desk.app.store;
    let client = desk.database.connect().await.expect("a connection");
    let marker_at = async || {
        let row = client.query_one("SELECT marker_at FROM intake WHERE queue = 'heartbeats'", &[]).await.expect("read");
        row.get::<_, chrono::DateTime<Utc>>(0)
    };
    let received = async |at| {
        store.marker_received("heartbeats", at, Duration::from_secs(5), Duration::from_secs(7)).await.expect("taken");
    };
    desk.folded().await;
    let hour = Duration::from_secs(3_600);
    received(Utc::now() + 2 * hour).await;
    assert!(marker_at().await < Utc::now() + hour, "it would make every worker look silent");
    let now = Utc::now();
    received(now).await;
    assert!((marker_at().await - now).abs() < chrono::TimeDelta::milliseconds(1));
}

#[tokio::test]
async fn a_lease_of_a_worker_that_was_never_known_is_taken_back() {
    const LEASE: Duration = Duration::from_secs(15);
    let desk = Desk::new().await;
    desk.announce(&["work"]).await;
    let id = desk.submit("work").await;
    desk.start(id).await;
    let client = desk.database.connect().await.expect("a connection");
    client.execute("DELETE FROM workers", &[]).await.expect("deleted");
    desk.folded().await;
    let lost = async || desk.app.store.lost_leases(LEASE, 100).await.expect("read").len();
    client.execute("UPDATE intake SET folded_at = clock_timestamp()", &[]).await.expect("folded");
    assert_eq!(lost().await, 0, "it began just now: what tells of its worker may be under way");
    client.execute("UPDATE jobs SET leased_at = leased_at - interval '16 seconds'", &[]).await.expect("aged");
    assert_eq!(lost().await, 1);
}

#[tokio::test]
async fn acknowledgements_go_with_the_last_that_they_are_of() {
    let desk = Desk::new().await;
    desk.announce(&["work"]).await;
    let client = desk.database.connect().await.expect("a connection");
    client
        .batch_execute(
            "INSERT INTO tombstones (job_id, dispatch, control_id, created_at) VALUES
                (gen_random_uuid(), 1, '00000000-0000-0000-0000-000000000001', clock_timestamp() - interval '3 hours'),
                (gen_random_uuid(), 1, '00000000-0000-0000-0000-000000000001', clock_timestamp()),
                (gen_random_uuid(), 1, '00000000-0000-0000-0000-000000000002', clock_timestamp() - interval '3 hours');
            INSERT INTO withdrawals (job_id, dispatch, control_id, created_at) VALUES
                (gen_random_uuid(), 1, '00000000-0000-0000-0000-000000000003', clock_timestamp() - interval '3 hours'),
                (gen_random_uuid(), 1, '00000000-0000-0000-0000-000000000004', clock_timestamp());
            INSERT INTO cancel_acks (control_id, session)
                SELECT ('00000000-0000-0000-0000-00000000000' || number)::uuid, session FROM workers, generate_series(1, 4) AS number",
        )
        .await
        .expect("there");
    desk.app.store.delete_tombstones(Duration::from_secs(2 * 60 * 60), 100).await.expect("deleted");
    let rows = client.query("SELECT control_id::text FROM cancel_acks ORDER BY 1", &[]).await.expect("read");
    let left: Vec<String> = rows.iter().map(|row| row.get::<_, String>(0).split_off(35)).collect();
    assert_eq!(left, ["1", "4"], "one tombstone of the first is young, and the withdrawal of the fourth");
}

#[tokio::test]
async fn what_may_lie_in_a_queue_that_nobody_reads_is_not_forgotten() {
    let desk = Desk::new().await;
    desk.announce(&["work"]).await;
    let client = desk.database.connect().await.expect("a connection");
    let id = desk.submit("work").await.0;
    let old = "'00000000-0000-0000-0000-000000000001', clock_timestamp() - interval '3 hours'";
    let both = format!(
        "INSERT INTO tombstones (job_id, dispatch, control_id, created_at) VALUES ('{id}', 1, {old});
        INSERT INTO withdrawals (job_id, dispatch, control_id, created_at) VALUES ('{id}', 1, {old})"
    );
    client.batch_execute(&both).await.expect("there");
    let left = async || {
        desk.app.store.delete_tombstones(Duration::from_secs(2 * 60 * 60), 100).await.expect("deleted");
        let count = "SELECT (SELECT count(*) FROM tombstones), (SELECT count(*) FROM withdrawals),
            (SELECT count(*) FROM tombstones WHERE created_at > clock_timestamp() - interval '1 minute')";
        let row = client.query_one(count, &[]).await.expect("read");
        [0, 1, 2].map(|column| row.get::<_, i64>(column))
    };
    client.batch_execute("UPDATE workers SET status = 'down'").await.expect("set");
    assert_eq!(
        left().await,
        [1, 1, 1],
        "whoever comes next is told, however late, and has two hours for what it finds"
    );
    client
        .batch_execute(
            "UPDATE workers SET status = 'live';
            UPDATE tombstones SET created_at = created_at - interval '3 hours';
            UPDATE withdrawals SET created_at = created_at - interval '3 hours'",
        )
        .await
        .expect("set");
    assert_eq!(left().await, [0, 0, 0]);
}

#[tokio::test]
async fn a_round_of_the_timers_takes_few_of_what_goes_on_in_another_fold() {
    let desk = Desk::new().await;
    desk.announce(&["work"]).await;
    desk.apply("name: flow\nsteps: [{ key: a, job: work }]").await;
    for _ in 0..20 {
        desk.submit("flow").await;
    }
    let client = desk.database.connect().await.expect("a connection");
    let later = "UPDATE jobs SET due_at = clock_timestamp() - interval '1 minute' WHERE definition_hash IS NOT NULL";
    client.execute(later, &[]).await.expect("due");
    let id = desk.submit("work").await;
    let waits = "UPDATE jobs SET due_at = clock_timestamp() WHERE id = $1";
    client.execute(waits, &[&id.0]).await.expect("due");
    let due = desk.app.store.due(100).await.expect("read");
    assert_eq!(due.len(), 9, "eight of them, and the job that waits for its time");
    assert!(due.iter().any(|input| input.job_id() == id));
}
