//! What nobody may do but its owner. Each refusal is the broker's or the database's own.

use lapin::{
    BasicProperties, Connection, ExchangeKind,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
        QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};

use crate::deployment::Deployment;

/// What a user may try.
#[derive(Debug, Clone, Copy)]
enum Try {
    Read(&'static str),
    Publish(&'static str, &'static str),
    Declare(&'static str),
    DeclareExchange(&'static str),
    Delete(&'static str),
    DeleteExchange(&'static str),
    Purge(&'static str),
    Bind(&'static str, &'static str),
}
use Try::{Bind, Declare, DeclareExchange, Delete, DeleteExchange, Publish, Purge, Read};

async fn attempt(connection: &Connection, what: Try) -> lapin::Result<()> {
    // A refusal ends the channel: each try has its own.
    let channel = connection.create_channel().await?;
    let none = FieldTable::default;
    match what {
        Read(queue) => channel.basic_get(queue.into(), BasicGetOptions { no_ack: false }).await.map(drop),
        Publish(exchange, key) => {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let options = BasicPublishOptions::default();
            let sent = channel.basic_publish(exchange.into(), key.into(), options, b"{}", BasicProperties::default());
            sent.await?.await.map(drop)
        }
        Declare(queue) => {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(queue.into(), options, none()).await.map(drop)
        }
        DeclareExchange(name) => {
            let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            channel.exchange_declare(name.into(), ExchangeKind::Direct, options, none()).await
        }
        Delete(queue) => channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.map(drop),
        DeleteExchange(name) => channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await,
        Purge(queue) => channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.map(drop),
        Bind(queue, exchange) => {
            channel.queue_bind(queue.into(), exchange.into(), "#".into(), QueueBindOptions::default(), none()).await
        }
    }
}

async fn refused(connection: &Connection, tries: &[Try]) {
    for what in tries {
        let outcome = attempt(connection, *what).await;
        let error = outcome.err().unwrap_or_else(|| panic!("{what:?} was allowed")).to_string();
        assert!(error.contains("ACCESS_REFUSED"), "{what:?}: {error}");
    }
}

async fn allowed(connection: &Connection, tries: &[Try]) {
    for what in tries {
        attempt(connection, *what).await.unwrap_or_else(|error| panic!("{what:?}: {error}"));
    }
}

/// What belongs to the orchestrators.
const QUEUES: [&str; 5] = ["drover.submit", "drover.events", "drover.heartbeats", "drover.logs", "drover.dead"];
const EXCHANGES: [&str; 5] = ["drover.jobs", "drover.control", "drover.notifications", "drover.dead", "amq.topic"];

#[tokio::test]
async fn a_worker_reads_its_own_jobs_and_reports_and_nothing_else() {
    let deployment = Deployment::up(1).await;
    let admin = deployment.connect("admin").await;
    allowed(&admin, &[Declare("drover.jobs.of_others")]).await;
    let worker = deployment.connect("import-worker").await;
    for queue in QUEUES.into_iter().chain(["drover.jobs.of_others", "drover.epoch"]) {
        refused(&worker, &[Read(queue), Purge(queue), Declare(queue), Delete(queue)]).await;
    }
    for exchange in EXCHANGES {
        refused(&worker, &[Publish(exchange, "validate_import"), DeclareExchange(exchange), DeleteExchange(exchange)])
            .await;
    }
    refused(
        &worker,
        &[Publish("drover.submit", ""), DeclareExchange("drover.events"), DeleteExchange("drover.events")],
    )
    .await;
    // By the default exchange whoever may write to it reaches every queue.
    refused(&worker, &[Publish("", "drover.submit"), Publish("", "drover.jobs.of_others")]).await;
    refused(&worker, &[Declare("mine"), Declare("drover.jobs.mine"), Delete("drover.jobs.validate_import")]).await;
    refused(&worker, &[Bind("drover.jobs.validate_import", "drover.jobs"), Bind("drover.events", "drover.jobs")]).await;
    // A queue that it may declare hears what the workers are told, and nothing else.
    let own = "drover.listener.test";
    allowed(&worker, &[Declare(own), Bind(own, "drover.control"), Read(own)]).await;
    refused(&worker, &[Bind(own, "drover.notifications"), Bind(own, "drover.jobs"), Bind(own, "drover.events")]).await;
    refused(&worker, &[Bind(own, "drover.submit"), Bind(own, "drover.dead")]).await;
    allowed(
        &worker,
        &[Delete(own), Read("drover.jobs.validate_import"), Publish("drover.events", "drover.heartbeats")],
    )
    .await;
}

#[tokio::test]
async fn a_media_worker_reads_its_own_jobs_and_not_those_of_others() {
    let deployment = Deployment::up(1).await;
    let admin = deployment.connect("admin").await;
    let worker = deployment.connect("media-worker").await;
    refused(&worker, &[Read("drover.jobs.validate_import"), Declare("drover.jobs.media_scan")]).await;
    for exchange in EXCHANGES {
        refused(&worker, &[Publish(exchange, "media_scan"), DeclareExchange(exchange), DeleteExchange(exchange)]).await;
    }
    allowed(&worker, &[Publish("drover.events", "drover.heartbeats"), Declare("drover.listener.media")]).await;
    for queue in [
        "drover.jobs.process_downloads",
        "drover.jobs.media_scan",
        "drover.jobs.sync_pending",
        "drover.jobs.sync",
        "drover.jobs.unanalyzed_scenes",
        "drover.jobs.analysis",
        "drover.jobs.approve_plan",
        "drover.jobs.refuse_plan",
        "drover.jobs.apply_plan",
        "drover.jobs.plan_totals",
        "drover.jobs.draft_plans",
        "drover.jobs.generate_pending",
        "drover.jobs.generate",
        "drover.jobs.media_cleanup",
    ] {
        allowed(&admin, &[Declare(queue)]).await;
        allowed(&worker, &[Read(queue)]).await;
    }
}

#[tokio::test]
async fn another_system_submits_and_nothing_else() {
    let deployment = Deployment::up(1).await;
    let admin = deployment.connect("admin").await;
    allowed(&admin, &[Declare("drover.jobs.of_others")]).await;
    let submitter = deployment.connect("submitter").await;
    for queue in QUEUES.into_iter().chain(["drover.jobs.validate_import", "drover.jobs.of_others"]) {
        refused(&submitter, &[Read(queue), Purge(queue), Declare(queue), Delete(queue), Publish("", queue)]).await;
    }
    for exchange in EXCHANGES.into_iter().chain(["drover.events"]) {
        refused(&submitter, &[Publish(exchange, "drover.events"), DeclareExchange(exchange), DeleteExchange(exchange)])
            .await;
    }
    refused(
        &submitter,
        &[DeclareExchange("drover.submit"), DeleteExchange("drover.submit"), Declare("mine"), Declare("")],
    )
    .await;
    refused(&submitter, &[Bind("drover.submit", "drover.notifications"), Bind("drover.submit", "drover.jobs")]).await;
    allowed(&submitter, &[Publish("drover.submit", "")]).await;

    let orchestrator = deployment.connect("orchestrator").await;
    refused(&orchestrator, &[Declare("other.queue"), DeclareExchange("other"), Publish("amq.topic", "a")]).await;
    refused(&orchestrator, &[Read("other.queue"), Bind("drover.events", "amq.topic")]).await;
}

#[tokio::test]
async fn only_the_admin_has_a_management_page() {
    let deployment = Deployment::prepared().await;
    let servers = drover_tests::servers().await.expect("servers");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for (user, status) in
        [("admin", 200), ("orchestrator", 401), ("import-worker", 401), ("media-worker", 401), ("submitter", 401)]
    {
        let login = deployment.fleet.vhost.url_as(user, &deployment.password(user)).expect("a URL");
        let url = servers.management_url.join("/api/whoami").expect("a URL");
        let mut plain = url.clone();
        plain.set_username("").and_then(|()| plain.set_password(None)).expect("an http URL");
        let answer = client.get(plain).basic_auth(login.username(), login.password()).send().await.expect("answered");
        assert_eq!(answer.status().as_u16(), status, "{user}");
    }
}

#[tokio::test]
async fn the_daily_role_changes_rows_and_no_tables() {
    let deployment = Deployment::prepared().await;
    let database = &deployment.fleet.database;
    let daily = database.connect_as("drover", "drover").await.expect("connected");
    daily.batch_execute("SELECT count(*) FROM jobs; DELETE FROM logs; SELECT view FROM job_views").await.expect("rows");
    for statement in [
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "ALTER TABLE jobs ADD COLUMN mine int",
        "DROP TABLE jobs",
        "TRUNCATE jobs",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "COPY jobs TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
    ] {
        let error = daily.batch_execute(statement).await.expect_err(statement);
        let code = error.as_db_error().expect("the server's answer").code().code().to_owned();
        assert_eq!(code, "42501", "{statement}: {error}");
    }
    let owner = database.connect_as("drover_owner", "drover_owner").await.expect("connected");
    for statement in ["CREATE ROLE mine", "CREATE DATABASE mine"] {
        owner.batch_execute(statement).await.expect_err(statement);
    }
    for statement in ["SELECT FROM media.files", "CREATE TABLE media.mine (id int)"] {
        let error = daily.batch_execute(statement).await.expect_err(statement);
        assert!(error.to_string().contains("db error"), "{statement}: {error}");
    }
    let media = database.connect_as("drover_media", "drover_media").await.expect("connected");
    media.batch_execute("CREATE TABLE media.mine (id int); DROP TABLE media.mine").await.expect("its own schema");
    for statement in
        ["SELECT FROM jobs", "SELECT FROM public.jobs", "CREATE TABLE public.mine (id int)", "CREATE SCHEMA mine"]
    {
        media.batch_execute(statement).await.expect_err(statement);
    }
    // A role of another system on the same server.
    let admin = database.connect().await.expect("connected");
    let row = admin.query_one("SELECT has_database_privilege('pg_monitor', current_database(), 'CONNECT')", &[]).await;
    assert!(!row.expect("a query").get::<_, bool>(0), "others cannot even connect");
}
