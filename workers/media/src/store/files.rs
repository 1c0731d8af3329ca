//! Files of the library, and which of them are to be synced.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{Store, StoreError, counted, signed, statements as sql};

/// A file as the last scan found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was changed.
    pub modified_at: DateTime<Utc>,
    /// `ok`, `failed` or `gone`.
    pub status: String,
}

/// What a scan found out about a video.
#[derive(Clone, Debug, PartialEq)]
pub struct FileFacts {
    /// Absolute path.
    pub path: String,
    /// Its name without folder and ending.
    pub title: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was changed.
    pub modified_at: DateTime<Utc>,
    /// What tells its content from others.
    pub fingerprint: String,
    /// Names of the container's format.
    pub container: String,
    /// Its length.
    pub duration_seconds: f64,
    /// Codec of its first video stream.
    pub video_codec: String,
    /// Codec of its first audio stream.
    pub audio_codec: Option<String>,
    /// Width in pixels, as it is shown.
    pub width: i32,
    /// Height in pixels, as it is shown.
    pub height: i32,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// Bits per second of the whole file.
    pub bit_rate: Option<i64>,
}

/// A file whose scene is not what the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingFile {
    /// Its id.
    pub id: i64,
    /// Its path.
    pub path: String,
}

impl Store {
    /// How many files were there at the last scan.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_files(&self) -> Result<u64, StoreError> {
        self.count(sql::COUNT_FILES, &[]).await
    }

    /// A page of the files that were there at the last scan: id and path, from the id after `after` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn files_after(&self, after: i64, limit: i64) -> Result<Vec<(i64, String)>, StoreError> {
        let rows = self.query(sql::FILES_AFTER, &[&after, &limit]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Notes that files are not there any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_gone(&self, ids: &[i64]) -> Result<u64, StoreError> {
        self.execute(sql::MARK_GONE, &[&ids]).await
    }

    /// What is known of these paths.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn known_files(&self, paths: &[&str]) -> Result<HashMap<String, KnownFile>, StoreError> {
        let rows = self.query(sql::FILES_BY_PATH, &[&paths]).await?;
        let read = |row: tokio_postgres::Row| {
            let (size_bytes, modified_at, status) = (counted(&row, 1)?, row.try_get(2)?, row.try_get(3)?);
            Ok((row.try_get(0)?, KnownFile { size_bytes, modified_at, status }))
        };
        rows.into_iter().map(read).collect()
    }

    /// Notes what a scan found out. Whether the file is one that was moved here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_file(&self, file: &FileFacts) -> Result<bool, StoreError> {
        let size = signed(file.size_bytes);
        let rows = self
            .query(
                sql::RECORD_FILE,
                &[
                    &file.path,
                    &file.title,
                    &size,
                    &file.modified_at,
                    &file.fingerprint,
                    &file.container,
                    &file.duration_seconds,
                    &file.video_codec,
                    &file.audio_codec,
                    &file.width,
                    &file.height,
                    &file.frame_rate,
                    &file.bit_rate,
                ],
            )
            .await?;
        rows.first().map_or(Ok(false), |row| Ok(row.try_get(0)?))
    }

    /// Notes that a file is no good video, so that it is not looked at again before it changes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_failed_file(
        &self,
        path: &str,
        title: &str,
        size_bytes: u64,
        modified_at: DateTime<Utc>,
        error: &str,
    ) -> Result<(), StoreError> {
        let size = signed(size_bytes);
        self.execute(sql::RECORD_FAILED_FILE, &[&path, &title, &size, &modified_at, &error]).await?;
        Ok(())
    }

    /// How many files are to be synced; `all`: whether or not they changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_pending_files(&self, all: bool) -> Result<u64, StoreError> {
        self.count(sql::COUNT_PENDING_FILES, &[&all]).await
    }

    /// A page of the files that are to be synced.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_files(&self, after: i64, all: bool, limit: i64) -> Result<Vec<PendingFile>, StoreError> {
        let rows = self.query(sql::PENDING_FILES, &[&after, &all, &limit]).await?;
        rows.iter().map(|row| Ok(PendingFile { id: row.try_get(0)?, path: row.try_get(1)? })).collect()
    }

    /// Makes the scenes of files what the files are, all or none: how many scenes were created, and updated.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sync_files(&self, ids: &[i64]) -> Result<(u64, u64), StoreError> {
        let rows = self.query(sql::SYNC_FILES, &[&ids]).await?;
        rows.first().map_or(Ok((0, 0)), |row| Ok((counted(row, 0)?, counted(row, 1)?)))
    }
}
