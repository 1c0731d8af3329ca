//! Every SQL statement, by name. A test prepares them all against the migrated schema.

macro_rules! statements {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(super) const $name: &str = include_str!(concat!("sql/", $file, ".sql"));)+

        /// Name and text of every statement.
        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$(($file, $name)),+];
    };
}

statements! {
    APPLY_MARKERS = "apply_markers",
    APPLY_TAGS = "apply_tags",
    CLOSE_PLAN_SCENES = "close_plan_scenes",
    COUNT_APPLIED = "count_applied",
    COUNT_APPROVED = "count_approved",
    COUNT_FILES = "count_files",
    COUNT_PENDING_FILES = "count_pending_files",
    COUNT_PLAN = "count_plan",
    COUNT_REFUSED = "count_refused",
    DELETE_GENERATED = "delete_generated",
    DELETE_MISSING_SCENES = "delete_missing_scenes",
    DELETE_OLD_DRAFTS = "delete_old_drafts",
    DELETE_ORPHANED_GENERATED = "delete_orphaned_generated",
    DOWNLOADS_BY_PATH = "downloads_by_path",
    DRAFT_PLANS = "draft_plans",
    DRAFT_STALE_PLANS = "draft_stale_plans",
    DROP_CHANGES = "drop_changes",
    DROP_EARLIER_MARKERS = "drop_earlier_markers",
    DROP_EARLIER_TAGS = "drop_earlier_tags",
    EXISTING_SCENES = "existing_scenes",
    FILES_AFTER = "files_after",
    FILES_BY_PATH = "files_by_path",
    FIND_CUTS = "find_cuts",
    FIND_PLAN = "find_plan",
    FINISH_CHANGES = "finish_changes",
    GENERATED_AFTER = "generated_after",
    GENERATED_OF = "generated_of",
    INSERT_PLAN = "insert_plan",
    INSERT_PLAN_CHANGES = "insert_plan_changes",
    INSERT_PLAN_SCENES = "insert_plan_scenes",
    LOCK_BATCH = "lock_batch",
    LOCK_PLAN = "lock_plan",
    LOCK_PLAN_SCENES = "lock_plan_scenes",
    LOSE_CHANGES = "lose_changes",
    LOST_CHANGES = "lost_changes",
    MARK_GONE = "mark_gone",
    MARK_SCENES_ANALYZED = "mark_scenes_analyzed",
    PENDING_FILES = "pending_files",
    PENDING_PREVIEWS = "pending_previews",
    PLAN_BATCHES = "plan_batches",
    PLAN_TOTALS = "plan_totals",
    RECORD_CUTS = "record_cuts",
    RECORD_DOWNLOAD = "record_download",
    RECORD_FAILED_FILE = "record_failed_file",
    RECORD_FILE = "record_file",
    RECORD_GENERATED = "record_generated",
    RELEASE_PLAN_SCENES = "release_plan_scenes",
    REOPEN_PLAN = "reopen_plan",
    REPLACE_PLAN = "replace_plan",
    SCENES_BY_ID = "scenes_by_id",
    SET_PENDING_CHANGES = "set_pending_changes",
    SET_PLAN_STATUS = "set_plan_status",
    SYNC_FILES = "sync_files",
    UNANALYZED_SCENES = "unanalyzed_scenes",
    UNSCANNED_DOWNLOADS = "unscanned_downloads",
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use drover_tests::Database;

    use super::ALL;
    use crate::store::Store;

    #[tokio::test]
    async fn every_statement_fits_the_schema() {
        let database = Database::create().await.unwrap();
        Store::new(&database.url().into(), 2).unwrap().migrate().await.unwrap();
        let client = database.connect().await.unwrap();
        for (name, text) in ALL {
            if let Err(error) = client.prepare(text).await {
                panic!("{name}.sql: {:?}", error.as_db_error());
            }
        }
    }
}
