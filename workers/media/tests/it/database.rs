//! The library's database: its schema, and what happens while it is away.

use std::time::Duration;

use drover_media_worker::{
    config::Media,
    jobs::{Analysis, ApplyPlan, Generate, GeneratePending, PlanTotals, Sync, SyncPending, UnanalyzedScenes},
    store::Store,
};
use drover_tests::{
    Database,
    wait::{self, Seen},
};
use drover_worker::{Job, testing};
use serde_json::{Value, json};

use crate::support::{Site, script};

#[tokio::test]
async fn workers_that_start_at_once_migrate_once() {
    let database = Database::create().await.unwrap();
    let url = database.url().into();
    let stores: Vec<Store> = (0..4).map(|_| Store::new(&url, 2).unwrap()).collect();
    for migrated in futures_util::future::join_all(stores.iter().map(Store::migrate)).await {
        migrated.unwrap();
    }
    let client = database.connect().await.unwrap();
    let applied = client.query_one("SELECT count(*) FROM media.migrations", &[]).await.unwrap();
    assert!(applied.get::<_, i64>(0) >= 1);
    Store::new(&url, 2).unwrap().migrate().await.unwrap();
    let public = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    let public: i64 = client.query_one(public, &[]).await.unwrap().get(0);
    assert_eq!(public, 0, "all of it is in the schema `media`");
}

/// The key of the advisory lock that migrations take.
const LOCK: i64 = 0x6d_6564_6961;

#[tokio::test]
async fn a_migration_that_is_broken_off_leaves_no_lock_behind() {
    let database = Database::create().await.unwrap();
    let url = database.url().into();
    Store::new(&url, 2).unwrap().migrate().await.unwrap();
    let client = database.connect().await.unwrap();
    client.batch_execute("BEGIN; LOCK TABLE media.migrations IN ACCESS EXCLUSIVE MODE").await.unwrap();

    let look = database.connect().await.unwrap();
    let held = async |expected: bool| {
        wait::until("the lock", Duration::from_secs(60), async || {
            let sql = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted)
                AND (NOT $1 OR EXISTS (SELECT FROM pg_locks WHERE locktype = 'relation' AND NOT granted))";
            let held: bool = look.query_one(sql, &[&expected]).await?.get(0);
            Ok(if held == expected { Seen::Yes(()) } else { Seen::not_yet(format!("held: {held}")) })
        })
        .await
        .unwrap();
    };
    let store = Store::new(&url, 2).unwrap();
    tokio::select! {
        migrated = store.migrate() => panic!("the table is locked: {migrated:?}"),
        () = held(true) => {}
    }
    client.batch_execute("ROLLBACK").await.unwrap();
    held(false).await;
    assert_eq!(store.count_files().await.unwrap(), 0, "it migrates when it is used next");
}

#[tokio::test]
async fn a_store_that_has_migrated_does_not_do_so_again() {
    let database = Database::create().await.unwrap();
    let store = Store::new(&database.url().into(), 2).unwrap();
    store.migrate().await.unwrap();
    let client = database.connect().await.unwrap();
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.unwrap();
    let counted = tokio::time::timeout(Duration::from_secs(20), store.count_files()).await;
    assert_eq!(counted.expect("it waits for no migration").unwrap(), 0);
}

#[tokio::test]
async fn every_foreign_key_has_an_index() {
    let database = Database::create().await.unwrap();
    Store::new(&database.url().into(), 2).unwrap().migrate().await.unwrap();
    let client = database.connect().await.unwrap();
    let sql = "SELECT format('%s (%s)', c.conrelid::regclass, a.attname)
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.connamespace = 'media'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])";
    let without: Vec<String> = client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(without, Vec::<String>::new());
}

#[tokio::test]
async fn a_role_with_a_schema_of_its_own_needs_no_other_right() {
    let database = Database::create().await.unwrap();
    let role = format!("{}_media", database.name());
    let client = database.connect().await.unwrap();
    let rights = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'x'; REVOKE ALL ON DATABASE {name} FROM PUBLIC;
         GRANT CONNECT ON DATABASE {name} TO {role}; REVOKE ALL ON SCHEMA public FROM PUBLIC;
         CREATE SCHEMA media AUTHORIZATION {role}",
        name = database.name()
    );
    client.batch_execute(&rights).await.unwrap();
    let url = database.url_as("drover_media", "x").unwrap();
    let store = Store::new(&url.as_str().into(), 2).unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.count_files().await.unwrap(), 0);
    client.batch_execute(&format!("DROP SCHEMA media CASCADE; DROP OWNED BY {role}")).await.unwrap();
}

async fn fails<J: Job>(job: J, params: Value) {
    let run = testing::run(job, params).await;
    let error = run.error().unwrap_or_else(|| panic!("{}: {run:?}", J::TYPE));
    assert_eq!((error.kind.as_str(), error.retryable), ("database", true), "{}: {error}", J::TYPE);
    assert!(error.message.contains("refused"), "{}: the true cause: {error}", J::TYPE);
}

#[tokio::test]
async fn fault_15_a_database_that_is_away_is_a_failure_and_not_zero_items() {
    let site = Site::new().await;
    // Nobody listens on the port of discard.
    let store = Store::new(&"postgres://u:p@127.0.0.1:9/d".into(), 2).unwrap();
    let media = Media { store, ..site.media.clone() };
    fails(SyncPending(media.clone()), json!({})).await;
    fails(Sync(media.clone()), json!({})).await;
    fails(UnanalyzedScenes(media.clone()), json!({})).await;
    fails(GeneratePending(media.clone()), json!({})).await;
    fails(PlanTotals(media.clone()), json!({"run_id": "x"})).await;
    fails(Generate(media.clone()), json!({"scene_ids": [1]})).await;
    fails(ApplyPlan(media.clone()), json!({"plan_id": 1})).await;
    fails(Analysis(media), json!({"scene_ids": [1], "run_id": "x", "batch": 0})).await;
}

#[tokio::test]
async fn a_connection_that_was_cut_off_is_replaced() {
    let site = Site::new().await;
    assert_eq!(site.media.store.count_files().await.unwrap(), 0);
    site.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'drover-media-worker' AND datname = current_database()").await;
    assert_eq!(site.media.store.count_files().await.unwrap(), 0);
}

#[tokio::test]
async fn no_transaction_is_open_while_ffmpeg_runs() {
    let site = Site::new().await;
    site.video("1.mp4");
    let scene = site.scenes().await["1.mp4"];
    let (reached, go) = (site.root.path().join("reached"), site.root.path().join("go"));
    let waits = script(
        &site,
        &format!(
            "touch '{}'; until [ -e '{}' ]; do sleep 0.02; done; exec ffmpeg \"$@\"",
            reached.display(),
            go.display()
        ),
    );
    let site = site.with_ffmpeg(&waits);
    let scenes = [scene];
    let look = async {
        wait::until("ffmpeg to be reached", Duration::from_secs(60), async || {
            Ok(if reached.exists() { Seen::Yes(()) } else { Seen::not_yet("it has not begun") })
        })
        .await
        .unwrap();
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'drover-media-worker'
            AND datname = current_database() AND state <> 'idle'";
        let busy = site.number(sql).await;
        let status = site
            .number(
                "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE d.datname = current_database() AND l.pid <> pg_backend_pid()",
            )
            .await;
        std::fs::write(&go, "").unwrap();
        (busy, status)
    };
    let (run, (busy, locks)) = tokio::join!(site.analyze("run", 0, &scenes), look);
    assert!(run.is_completed(), "{run:?}");
    assert_eq!((busy, locks), (0, 0));
}
