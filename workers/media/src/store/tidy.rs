//! What the clean-up removes from the database.

use super::{Store, StoreError, statements as sql};

impl Store {
    /// Deletes files that are gone, with their scenes, when these have been without file for so many days. How many scenes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_missing_scenes(&self, days: i32) -> Result<u64, StoreError> {
        let rows = self.query(sql::DELETE_MISSING_SCENES, &[&days]).await?;
        let with_scene = rows.iter().filter(|row| row.get::<_, bool>(0)).count();
        Ok(with_scene as u64)
    }

    /// Forgets previews of scenes that are not there any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_orphaned_generated(&self) -> Result<u64, StoreError> {
        self.execute(sql::DELETE_ORPHANED_GENERATED, &[]).await
    }

    /// Puts plans aside that are older than so many days and still open: how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draft_stale_plans(&self, days: i32) -> Result<u64, StoreError> {
        self.count(sql::DRAFT_STALE_PLANS, &[&days]).await
    }

    /// Deletes plans that were put aside more than so many days ago: how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_old_drafts(&self, days: i32) -> Result<u64, StoreError> {
        self.execute(sql::DELETE_OLD_DRAFTS, &[&days]).await
    }
}
