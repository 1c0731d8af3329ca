//! Downloads that are in the library.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{Store, StoreError, signed, statements as sql};

impl Store {
    /// Size in bytes and time of change of those of the downloads that were linked, by path.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn linked_downloads(&self, paths: &[&str]) -> Result<HashMap<String, (u64, DateTime<Utc>)>, StoreError> {
        let rows = self.query(sql::DOWNLOADS_BY_PATH, &[&paths]).await?;
        let read = |row: tokio_postgres::Row| {
            let size = u64::try_from(row.try_get::<_, i64>(1)?).unwrap_or_default();
            Ok((row.try_get(0)?, (size, row.try_get(2)?)))
        };
        rows.into_iter().map(read).collect()
    }

    /// A page of the downloads that are in the library and that no scan has met there: path and path in the library, from the
    /// one after `after` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unscanned_downloads(&self, after: &str, limit: i64) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self.query(sql::UNSCANNED_DOWNLOADS, &[&after, &limit]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Notes that a download is in the library.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_download(
        &self,
        source: &str,
        size_bytes: u64,
        modified_at: DateTime<Utc>,
        library: &str,
    ) -> Result<(), StoreError> {
        self.execute(sql::RECORD_DOWNLOAD, &[&source, &signed(size_bytes), &modified_at, &library]).await?;
        Ok(())
    }
}
