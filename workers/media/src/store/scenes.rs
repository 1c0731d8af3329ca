//! Scenes, and which of them are to be analyzed.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Json;

use super::{Store, StoreError, statements as sql};

/// A scene and the file behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Its id.
    pub id: i64,
    /// What people call it.
    pub title: String,
    /// The content it is about.
    pub fingerprint: String,
    /// Its file is gone.
    pub missing: bool,
    /// A plan about this content was applied or refused.
    pub analyzed: bool,
    /// A plan about it is open.
    pub planned: bool,
    /// Absolute path of the file.
    pub path: String,
    /// The file was probed, and its content is that of the scene.
    pub in_sync: bool,
    /// Its length.
    pub duration_seconds: f64,
    /// Codec of its video.
    pub video_codec: String,
    /// Width in pixels.
    pub width: i32,
    /// Height in pixels.
    pub height: i32,
}

/// A change from one picture to another within a video.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// When, from the beginning.
    pub at_ms: u64,
    /// How different the pictures are, 0 to 1.
    pub score: f64,
}

impl Store {
    /// A page of the scenes that were not analyzed and have no open plan, newest first, from the id before `before` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unanalyzed_scenes(&self, before: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
        let rows = self.query(sql::UNANALYZED_SCENES, &[&before, &limit]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// These scenes, by id; one that is not there is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn scenes(&self, ids: &[i64]) -> Result<HashMap<i64, Scene>, StoreError> {
        let rows = self.query(sql::SCENES_BY_ID, &[&ids]).await?;
        let read = |row: &tokio_postgres::Row| {
            let fingerprint: String = row.try_get("fingerprint")?;
            let of_file: Option<String> = row.try_get("file_fingerprint")?;
            let status: String = row.try_get("status")?;
            let id = row.try_get("id")?;
            let scene = Scene {
                id,
                title: row.try_get("title")?,
                missing: row.try_get("missing")?,
                analyzed: row.try_get("analyzed")?,
                planned: row.try_get("planned")?,
                path: row.try_get("path")?,
                in_sync: status == "ok" && of_file.as_ref() == Some(&fingerprint),
                fingerprint,
                duration_seconds: row.try_get::<_, Option<f64>>("duration_seconds")?.unwrap_or_default(),
                video_codec: row.try_get::<_, Option<String>>("video_codec")?.unwrap_or_default(),
                width: row.try_get::<_, Option<i32>>("width")?.unwrap_or_default(),
                height: row.try_get::<_, Option<i32>>("height")?.unwrap_or_default(),
            };
            Ok((id, scene))
        };
        rows.iter().map(read).collect()
    }

    /// The cuts that were found in a content before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cuts(&self, fingerprint: &str) -> Result<Option<Vec<Cut>>, StoreError> {
        let rows = self.query(sql::FIND_CUTS, &[&fingerprint]).await?;
        rows.first().map(|row| Ok(row.try_get::<_, Json<Vec<Cut>>>(0)?.0)).transpose()
    }

    /// Keeps the cuts of a content, if a scene still has that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_cuts(&self, fingerprint: &str, cuts: &[Cut]) -> Result<(), StoreError> {
        self.execute(sql::RECORD_CUTS, &[&fingerprint, &Json(cuts)]).await?;
        Ok(())
    }

    /// Those of the ids that are scenes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn existing_scenes(&self, ids: &[i64]) -> Result<HashSet<i64>, StoreError> {
        let rows = self.query(sql::EXISTING_SCENES, &[&ids]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}
