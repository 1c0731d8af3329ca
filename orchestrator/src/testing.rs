//! For tests of this crate: an orchestrator without its loops, on a database of its own and a broker
//! that confirms and delivers nothing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::Utc;
use drover_broker::{Broadcasts, Broker, BrokerError, Deliveries, Publication, PublishError, Topology};
use drover_engine::{Input, Limits, Outcome};
use drover_protocol::{
    JobError, JobEvent, JobEventKind, JobId, JobType, JobTypeInfo, LogLevel, Names, ProgressReport, Submission,
    WorkerSession, limits,
};
use drover_tests::Database;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    access::{AccessConfig, Door},
    app::{App, Idempotency},
    config::Auth,
    gather::Offer,
    live::Live,
    metrics::Metrics,
    relay::RelayHandle,
    store::{Claim, FoldContext, NewRoot, ReplayLimits, Store, StoreConfig, WorkerArrival},
};

/// A broker that confirms everything, unless told otherwise, and delivers nothing.
#[derive(Default)]
pub(crate) struct SilentBroker {
    away: AtomicBool,
    held: AtomicBool,
    published: Mutex<Vec<Publication>>,
    depth: AtomicU64,
    refusal: Mutex<Option<PublishError>>,
}

impl SilentBroker {
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// From now on no publication is answered.
    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    /// Every queue has so many messages from now on.
    pub(crate) fn set_depth(&self, messages: u64) {
        self.depth.store(messages, Ordering::SeqCst);
    }

    /// Every publication fails like this from now on; `None`: none does any more.
    pub(crate) fn refuse(&self, refusal: impl Into<Option<PublishError>>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal.into();
    }

    /// What was published and confirmed since the last time that this was asked.
    pub(crate) fn published(&self) -> Vec<Publication> {
        std::mem::take(&mut *self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Broker for SilentBroker {
    async fn declare(&self, _: &Topology) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn publish(&self, publications: Vec<Publication>) -> Vec<Result<(), PublishError>> {
        if self.held.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let outcomes = publications.iter().map(|_| refusal.clone().map_or(Ok(()), Err)).collect();
        if refusal.is_none() {
            self.published.lock().unwrap_or_else(PoisonError::into_inner).extend(publications);
        }
        outcomes
    }

    async fn consume(&self, _: &str, _: u16) -> Result<Box<dyn Deliveries>, BrokerError> {
        Err(BrokerError::Closed)
    }

    async fn listen(&self, _: &str, _: &str) -> Result<Box<dyn Broadcasts>, BrokerError> {
        Err(BrokerError::Closed)
    }

    async fn depth(&self, _: &str) -> Result<Option<u64>, BrokerError> {
        Ok(Some(self.depth.load(Ordering::SeqCst)))
    }

    async fn epoch(&self) -> Result<String, BrokerError> {
        Ok("test".into())
    }

    async fn round_trip(&self) -> Result<u64, BrokerError> {
        Ok(0)
    }

    fn detection(&self) -> Duration {
        Duration::ZERO
    }

    fn is_ready(&self) -> bool {
        !self.away.load(Ordering::SeqCst)
    }

    async fn close(&self) {}
}

/// An orchestrator without its loops. What workers would report is folded by the methods here.
pub(crate) struct Desk {
    pub(crate) app: Arc<App>,
    pub(crate) broker: Arc<SilentBroker>,
    /// The worker that announced the types and reports in the tests.
    pub(crate) worker: WorkerSession,
    seq: Mutex<u64>,
    // Dropped last: the database goes with it.
    pub(crate) database: Database,
}

impl Desk {
    /// A migrated database and an orchestrator on it. No type is known yet.
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The same, where not everybody is let in.
    pub(crate) async fn behind(access: AccessConfig) -> Self {
        Self::with(|app| app.door = Door::new(app.store.clone(), access)).await
    }

    /// The same, with an orchestrator that is configured otherwise.
    pub(crate) async fn with(configure: impl FnOnce(&mut App)) -> Self {
        let database = Database::create().await.expect("a database");
        let mut app = Self::on(database.url(), limits::MESSAGE_BYTES);
        app.store.migrate().await.expect("migrated");
        let broker = Arc::new(SilentBroker::default());
        app.broker = Arc::clone(&broker) as _;
        configure(&mut app);
        let app = Arc::new(app);
        Self { app, broker, worker: WorkerSession(Uuid::now_v7()), seq: Mutex::new(0), database }
    }

    /// An orchestrator on a database that may not be there.
    pub(crate) fn on(url: &str, message_bytes: usize) -> App {
        let store = Store::new(&StoreConfig {
            url: url.to_owned().into(),
            connections: 8,
            wait: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
        });
        // Nobody relays, and nobody tells other replicas: what they would be given is dropped.
        let ((relay, _), (live, _)) = (RelayHandle::new(), Live::new());
        let (_, epoch) = watch::channel(Some("test".to_owned()));
        let claim = Claim { by: Uuid::now_v7(), lasts: Duration::from_secs(30) };
        let context = FoldContext {
            registry: Default::default(),
            limits: Limits::default(),
            claim,
            epoch,
            traces: Default::default(),
        };
        let store = store.expect("an address");
        App {
            door: Door::new(store.clone(), open()),
            store,
            context,
            broker: Arc::new(SilentBroker::default()),
            names: Names::default(),
            relay,
            live,
            press: Default::default(),
            gathered: Default::default(),
            metrics: Metrics::default(),
            message_bytes,
            retention: Default::default(),
            logs: Default::default(),
            replay: ReplayLimits { jobs: 1_000, history_bytes: 16 * 1024 * 1024 },
            files: Default::default(),
        }
    }

    /// A worker that takes these types, with a schema that wants `path` to be a text where it is given.
    pub(crate) async fn announce(&self, types: &[&str]) {
        let info = |name: &&str| JobTypeInfo {
            job_type: job_type(name),
            title: format!("Title of {name}"),
            unit: Some("files".into()),
            params_schema: json!({ "type": "object", "properties": { "path": { "type": "string" } } }),
            result_schema: json!({ "type": "object" }),
            concurrency: None,
        };
        let arrival = WorkerArrival {
            session: self.worker,
            seq: self.next_seq(),
            types: types.iter().map(info).collect(),
            version: "1.2.3".into(),
            host: "test-host".into(),
            concurrency: 4,
            control_queue: None,
        };
        self.app.store.worker_up(&arrival, 100).await.expect("announced");
    }

    /// The job of a submission, not accepted yet.
    pub(crate) async fn root(&self, submission: Submission, key: Option<Idempotency>) -> NewRoot {
        let mut checked = self.app.check_all(vec![(submission, key)]).await.expect("read");
        checked.remove(0).expect("it fits")
    }

    /// Submits a job without parameters; its message stays owed.
    pub(crate) async fn submit(&self, name: &str) -> JobId {
        let (params, labels) = (json!({}), Default::default());
        let submission = Submission { job_type: job_type(name), params, labels, run_at: None, idempotency_key: None };
        self.app.submit(Offer { submission, key: None, caller: None }).await.expect("accepted").id
    }

    /// As if the relay had published everything that is owed.
    pub(crate) async fn relayed(&self) {
        let client = self.database.connect().await.expect("a connection");
        client.execute("DELETE FROM outbox", &[]).await.expect("deleted");
    }

    /// As if the markers came out of their queues all the time: everything that was sent so far is folded.
    pub(crate) async fn folded(&self) {
        let client = self.database.connect().await.expect("a connection");
        let set = "UPDATE intake SET folded_at = clock_timestamp() + interval '1 minute',
            last_received_at = clock_timestamp() + interval '1 minute', current_since = clock_timestamp() - interval '1 hour'";
        client.execute(set, &[]).await.expect("set");
    }

    /// From now on the server gives up what writes more jobs at once than so many, as if it took too long.
    pub(crate) async fn slow_above(&self, jobs: u32) {
        let triggers = ["INSERT", "UPDATE"].map(|event| {
            format!(
                "CREATE OR REPLACE TRIGGER slow_{event} AFTER {event} ON jobs REFERENCING NEW TABLE AS written
                    FOR EACH STATEMENT EXECUTE FUNCTION slow({jobs});"
            )
        });
        let client = self.database.connect().await.expect("a connection");
        let function = "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM written) > TG_ARGV[0]::int THEN
                RAISE EXCEPTION 'too slow' USING ERRCODE = 'query_canceled';
            END IF;
            RETURN NULL;
        END $$;";
        client.batch_execute(&format!("{function} {}", triggers.concat())).await.expect("set up");
    }

    /// Registers a definition.
    pub(crate) async fn apply(&self, text: &str) {
        self.app.apply("test.yaml", text).await.expect("a valid definition");
    }

    fn next_seq(&self) -> u64 {
        let mut seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        *seq += 1;
        *seq
    }

    pub(crate) fn event(&self, job_id: JobId, kind: JobEventKind) -> JobEvent {
        let (attempt, dispatch) = (1, 1);
        JobEvent { job_id, attempt, dispatch, worker_session: self.worker, seq: self.next_seq(), at: Utc::now(), kind }
    }

    /// Folds an event of the first dispatch of a job, and tells those who watch.
    pub(crate) async fn report(&self, job: JobId, kind: JobEventKind) {
        let input = Input::Event(self.event(job, kind));
        let folded = self.app.store.fold(&self.app.context, vec![input]).await.expect("folded");
        assert_eq!(folded.outcomes, [Outcome::Applied], "the event counts");
        self.app.committed(folded);
    }

    pub(crate) async fn start(&self, job: JobId) {
        self.report(job, JobEventKind::Started).await;
    }

    pub(crate) async fn progress(&self, job: JobId, percent: f64, message: &str) {
        let report =
            ProgressReport { percent: Some(percent), message: Some(message.into()), ..ProgressReport::default() };
        self.report(job, JobEventKind::Progress(report)).await;
    }

    pub(crate) async fn complete(&self, job: JobId, result: Value) {
        let (warnings, items) = (Vec::new(), std::collections::BTreeMap::new());
        self.report(job, JobEventKind::Completed { result, warnings, items, progress: None }).await;
    }

    pub(crate) async fn fail(&self, job: JobId, message: &str) {
        let error = JobError::permanent("io", message);
        self.report(job, JobEventKind::Failed { error, result: None, items: Default::default(), progress: None }).await;
    }

    /// Keeps a log line of a job.
    pub(crate) async fn log(&self, job: JobId, level: LogLevel, message: &str) {
        let fields = json!({ "row": 7 }).as_object().cloned().unwrap_or_default();
        let event = self.event(job, JobEventKind::Log { level, message: message.into(), fields });
        self.app.store.insert_logs(&[event], self.app.logs.job_bytes()).await.expect("kept");
    }
}

/// Nobody is asked who they are.
pub(crate) fn open() -> AccessConfig {
    let audit_age = Duration::from_secs(365 * 86_400);
    AccessConfig {
        auth: Auth::None,
        admin_token: None,
        requests_per_minute: None,
        hosts: Vec::new(),
        proxies: Vec::new(),
        audit_age,
    }
}

pub(crate) fn job_type(name: &str) -> JobType {
    JobType::new(name).expect("a valid name")
}
