//! What was published to a broker that has lost its data.

use drover_engine::Input;
use drover_protocol::JobId;

use super::{Store, StoreError, rows::unsigned, statements as sql};

impl Store {
    /// Jobs beyond `after`, by id, that were published under another epoch than this one and not started.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lost_dispatches(&self, epoch: &str, after: JobId, limit: i64) -> Result<Vec<Input>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::LOST_DISPATCHES).await?;
        let rows = client.query(&statement, &[&epoch, &after.0, &limit]).await?;
        rows.iter()
            .map(|row| Ok(Input::Republish { job_id: JobId(row.try_get(0)?), dispatch: unsigned(row.try_get(1)?) }))
            .collect()
    }
}
