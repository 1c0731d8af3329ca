//! Every SQL statement, by name. A test prepares them all against the migrated schema.

macro_rules! statements {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(super) const $name: &str = include_str!(concat!("sql/", $file, ".sql"));)+

        /// Name and text of every statement.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$(($file, $name)),+];
    };
}

statements! {
    ADD_CANCEL_ACKS = "add_cancel_acks",
    CLAIM_OUTBOX = "claim_outbox",
    COUNT_LIST = "count_list",
    CLEAR_FAN_OUTS = "clear_fan_outs",
    CLOCK = "clock",
    DELETE_OUTBOX = "delete_outbox",
    DELETE_OUTBOX_RELAXED = "delete_outbox_relaxed",
    DUE_JOBS = "due_jobs",
    EXPAND_LIST = "expand_list",
    INSERT_BATCHES = "insert_batches",
    INSERT_HISTORY = "insert_history",
    INSERT_ITEMS = "insert_items",
    INSERT_JOBS = "insert_jobs",
    INSERT_OUTBOX = "insert_outbox",
    INSERT_TOMBSTONES = "insert_tombstones",
    INSERT_WITHDRAWALS = "insert_withdrawals",
    JOB_MESSAGES = "job_messages",
    KNOWN_ITEMS = "known_items",
    LOAD_UNFINISHED = "load_unfinished",
    LOAD_WITH_ANCESTORS = "load_with_ancestors",
    LOCK_ROOTS = "lock_roots",
    NEXT_BATCHES = "next_batches",
    PARAMS_OF = "params_of",
    RELEASE_CLAIMS = "release_claims",
    STEP_RESULTS = "step_results",
    SUB_JOB_ENDS = "sub_job_ends",
    TEMPLATES_OF = "templates_of",
    UPDATE_JOBS = "update_jobs",
    // definitions and job types
    CURRENT_DEFINITIONS = "current_definitions",
    DEFINITIONS_BY_HASH = "definitions_by_hash",
    INSERT_DEFINITION = "insert_definition",
    SET_CURRENT_DEFINITION = "set_current_definition",
    KNOWN_TYPES = "known_types",
    UPSERT_JOB_TYPES = "upsert_job_types",
    // submissions
    CLAIM_SUBMISSIONS = "claim_submissions",
    // schedules
    DEFINE_SCHEDULE = "define_schedule",
    DUE_SCHEDULES = "due_schedules",
    LOCK_DUE_SCHEDULE = "lock_due_schedule",
    LOCK_SCHEDULE = "lock_schedule",
    SCHEDULE_FACTS = "schedule_facts",
    SETTLE_SCHEDULE = "settle_schedule",
    SWITCH_SCHEDULE = "switch_schedule",
    UNDEFINE_SCHEDULE = "undefine_schedule",
    VIEW_SCHEDULES = "view_schedules",
    // the fleet
    WORKER_STATUS = "worker_status",
    WORKER_UP = "worker_up",
    WORKER_HEARTBEATS = "worker_heartbeats",
    WORKER_DOWN = "worker_down",
    OPEN_TOMBSTONES = "open_tombstones",
    OPEN_WITHDRAWALS = "open_withdrawals",
    LOSE_WORKERS = "lose_workers",
    LEASES_OF_LOST = "leases_of_lost",
    MARK_MISSING = "mark_missing",
    MISSING_JOBS = "missing_jobs",
    LOST_DISPATCHES = "lost_dispatches",
    WAITING_DISPATCHES = "waiting_dispatches",
    WAITING_TYPES = "waiting_types",
    UNLISTED_JOBS = "unlisted_jobs",
    EVENTS_BEHIND = "events_behind",
    END_EARLIER_LIFE = "end_earlier_life",
    SUPERSEDED_JOBS = "superseded_jobs",
    SETTLED_CANCELS = "settled_cancels",
    WAITING_SIGNALS = "waiting_signals",
    LAST_SIGNAL = "last_signal",
    SETTLED_WITHDRAWALS = "settled_withdrawals",
    DELETE_TOMBSTONES = "delete_tombstones",
    DELETE_WITHDRAWALS = "delete_withdrawals",
    DELETE_ACKS = "delete_acks",
    ORCHESTRATOR_BEAT = "orchestrator_beat",
    DELETE_ORCHESTRATORS = "delete_orchestrators",
    ELDEST_ORCHESTRATOR = "eldest_orchestrator",
    ORCHESTRATOR_DOWN = "orchestrator_down",
    FOLDED_THROUGH = "folded_through",
    MARKER_RECEIVED = "marker_received",
    INTAKE_CURRENT = "intake_current",
    // paused types
    PAUSE_TYPES = "pause_types",
    PAUSED_TYPES = "paused_types",
    RENEW_TOMBSTONES = "renew_tombstones",
    RENEW_WITHDRAWALS = "renew_withdrawals",
    RAISE_PAUSES_VERSION = "raise_pauses_version",
    RESUME_TYPES = "resume_types",
    TYPE_STANDING = "type_standing",
    // the schema
    MAY_MIGRATE = "may_migrate",
    APPLIED_MIGRATION = "applied_migration",
    // logs and dead letters
    EXPIRE_LOGS = "expire_logs",
    EXPIRED_LOGS = "expired_logs",
    INSERT_LOGS = "insert_logs",
    INSERT_LOG_NOTICES = "insert_log_notices",
    LOG_BYTES = "log_bytes",
    LOG_SIZES_OF = "log_sizes_of",
    LOCK_LOG_TREES = "lock_log_trees",
    RENEW_LOG_NOTICES = "renew_log_notices",
    INSERT_DEAD_LETTERS = "insert_dead_letters",
    DELETE_DEAD = "delete_dead",
    MATCH_DEAD = "match_dead",
    NEWEST_DEAD = "newest_dead",
    TAKE_DEAD = "take_dead",
    // what people and other systems read
    MATCH_JOBS = "match_jobs",
    COUNT_LIVE_WORKERS = "count_live_workers",
    SEARCH_JOBS = "search_jobs",
    SEARCH_LOGS = "search_logs",
    VIEW_ACTIVE = "view_active",
    VIEW_COUNTS = "view_counts",
    VIEW_DEAD = "view_dead",
    VIEW_DEAD_LETTER = "view_dead_letter",
    VIEW_DEFINITION = "view_definition",
    VIEW_DEFINITIONS = "view_definitions",
    VIEW_ENDED = "view_ended",
    VIEW_HISTORY = "view_history",
    VIEW_HISTORY_BACK = "view_history_back",
    VIEW_ITEMS = "view_items",
    VIEW_JOB = "view_job",
    VIEW_JOBS = "view_jobs",
    VIEW_LAGS = "view_lags",
    VIEW_LOGS = "view_logs",
    VIEW_MIGRATED = "view_migrated",
    VIEW_PAUSES = "view_pauses",
    VIEW_QUEUES = "view_queues",
    VIEW_SUB_JOBS = "view_sub_jobs",
    VIEW_TYPES = "view_types",
    VIEW_UNFINISHED = "view_unfinished",
    VIEW_VERSION = "view_version",
    VIEW_VERSIONS = "view_versions",
    VIEW_WAITING = "view_waiting",
    VIEW_WHY = "view_why",
    VIEW_WORKERS = "view_workers",
    VIEW_WORKER_JOBS = "view_worker_jobs",
    // replays
    REPLAY_HISTORY = "replay_history",
    REPLAY_ROOT = "replay_root",
    REPLAY_ROWS = "replay_rows",
    // deleting
    COUNT_OLD_DEAD = "count_old_dead",
    COUNT_PRUNABLE = "count_prunable",
    DELETE_JOBS = "delete_jobs",
    TAKE_TIME = "take_time",
    // accounts and the audit
    ANY_TOKEN = "any_token",
    DELETE_OLD_AUDIT = "delete_old_audit",
    DELETE_OLD_SESSIONS = "delete_old_sessions",
    DELETE_OLD_WORKERS = "delete_old_workers",
    DELETE_SESSION = "delete_session",
    FIND_SESSION = "find_session",
    FIND_TOKEN = "find_token",
    INSERT_AUDIT = "insert_audit",
    INSERT_SESSION = "insert_session",
    INSERT_TOKEN = "insert_token",
    REVOKE_TOKEN = "revoke_token",
    VIEW_AUDIT = "view_audit",
    VIEW_TOKENS = "view_tokens",
    DELETE_OLD_DEAD = "delete_old_dead",
    ENDED_TYPES = "ended_types",
    NEWEST_ENDED = "newest_ended",
    PRUNABLE_TREES = "prunable_trees",
    TRY_PRUNE_LOCK = "try_prune_lock",
}

#[cfg(test)]
mod tests {
    use super::{ALL, COUNT_PRUNABLE, NEWEST_ENDED, NEXT_BATCHES, PRUNABLE_TREES};
    use crate::testing::Desk;

    /// The plan of a statement, also without statistics.
    async fn plan(desk: &Desk, statement: &str, parameters: &str) -> Vec<String> {
        let client = desk.database.connect().await.expect("a connection");
        client.batch_execute(&format!("PREPARE it AS {statement}")).await.expect("prepared");
        let plan = client.query(&format!("EXPLAIN EXECUTE it({parameters})"), &[]).await.expect("explained");
        plan.iter().map(|row| row.get(0)).collect()
    }

    #[tokio::test]
    async fn every_statement_fits_the_schema() {
        let desk = Desk::new().await;
        let client = desk.database.connect().await.expect("a connection");
        for (name, text) in ALL {
            if let Err(error) = client.prepare(text).await {
                panic!("{name}.sql: {:?}", error.as_db_error());
            }
        }
    }

    /// As a plain join it was read for each batch against every sub-job of the step: 260 ms for 500 batches of 5,000.
    #[tokio::test]
    async fn the_next_batches_of_a_fan_out_are_looked_up_one_by_one_also_without_statistics() {
        let desk = Desk::new().await;
        let plan = plan(&desk, NEXT_BATCHES, "'{}', '{}', '{}', '{}', '{}'").await;
        let lookup = "Index Cond: ((parent_id = batches.job_id) AND (step_index = batches.step_index) AND (COALESCE(";
        assert!(plan.iter().any(|line| line.contains(lookup)), "{plan:#?}");
    }

    /// Among a million that are kept, those that may go are at the beginning of an index.
    #[tokio::test]
    async fn what_may_be_pruned_is_found_by_an_index() {
        let desk = Desk::new().await;
        let ended = "using jobs_ended_idx on jobs";
        let nobody = "'00000000-0000-0000-0000-000000000000'";
        for (statement, parameters) in [
            (PRUNABLE_TREES, format!("'work', '2026-01-01', {nobody}, 200, 1000")),
            (COUNT_PRUNABLE, format!("'work', '2026-01-01', {nobody}, 1000")),
            (NEWEST_ENDED, "'work', 1000".to_owned()),
        ] {
            let plan = plan(&desk, statement, &parameters).await;
            assert!(plan.iter().any(|line| line.contains(ended)), "{plan:#?}");
            assert!(!plan.iter().any(|line| line.contains("Seq Scan") || line.contains("Sort")), "{plan:#?}");
        }
    }
}
