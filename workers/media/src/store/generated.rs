//! Previews that were made.

use super::{Store, StoreError, statements as sql};

/// A kind of preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Preview {
    /// One picture.
    Thumbnail,
    /// Many small pictures in one, with a WebVTT file that says which is when.
    Sprite,
    /// A short clip.
    Clip,
}

impl Preview {
    /// All kinds, in the order in which they are made.
    pub const ALL: [Self; 3] = [Self::Thumbnail, Self::Sprite, Self::Clip];

    /// The word in the database and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Thumbnail => "thumbnail",
            Self::Sprite => "sprite",
            Self::Clip => "preview",
        }
    }
}

/// A preview that was made, or why it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedRow {
    /// `thumbnail`, `sprite` or `preview`.
    pub kind: String,
    /// The content that it shows.
    pub fingerprint: String,
    /// Its files.
    pub paths: Vec<String>,
    /// Why the content gives none.
    pub error: Option<String>,
}

impl Store {
    /// A page of the scenes that lack a preview of the content they have, newest first, from the id before `before` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_previews(&self, before: i64, limit: i64) -> Result<Vec<i64>, StoreError> {
        let rows = self.query(sql::PENDING_PREVIEWS, &[&before, &limit]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What was made of a scene.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn generated_of(&self, scene: i64) -> Result<Vec<GeneratedRow>, StoreError> {
        let rows = self.query(sql::GENERATED_OF, &[&scene]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(GeneratedRow {
                kind: row.try_get(0)?,
                fingerprint: row.try_get(1)?,
                paths: row.try_get(2)?,
                error: row.try_get(3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Notes the files of a preview, or why its content gives none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn record_generated(
        &self,
        scene: i64,
        kind: Preview,
        fingerprint: &str,
        paths: &[String],
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        self.execute(sql::RECORD_GENERATED, &[&scene, &kind.as_str(), &fingerprint, &paths, &error]).await?;
        Ok(())
    }

    /// A page of the previews that were made: scene, kind, files; from the one after `after` on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn generated_after(
        &self,
        after: (i64, &str),
        limit: i64,
    ) -> Result<Vec<(i64, String, Vec<String>)>, StoreError> {
        let rows = self.query(sql::GENERATED_AFTER, &[&after.0, &after.1, &limit]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
    }

    /// Forgets previews whose files are not there any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_generated(&self, scenes: &[i64], kinds: &[String]) -> Result<u64, StoreError> {
        self.execute(sql::DELETE_GENERATED, &[&scenes, &kinds]).await
    }
}
