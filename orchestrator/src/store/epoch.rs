//! What a broker lost with its data.

use drover_engine::Input;
use drover_protocol::JobId;

use super::{Store, StoreError, rows::unsigned, statements as sql};

impl Store {
    /// Up to `limit` dispatches, of jobs after `after`, that the broker of this epoch does not hold and nobody has started.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn lost_dispatches(&self, epoch: &str, after: JobId, limit: i64) -> Result<Vec<Input>, StoreError> {
        let client = self.client().await?;
        let statement = client.prepare_cached(sql::LOST_DISPATCHES).await?;
        let rows = client.query(&statement, &[&epoch, &after.0, &limit]).await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(Input::Republish { job_id: JobId(row.try_get(0)?), dispatch: unsigned(row.try_get(1)?) })
        };
        rows.iter().map(read).collect()
    }

    /// Takes every worker and every orchestrator that was there for gone: they ended with the broker that they shared a
    /// process with.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_earlier_life(&self) -> Result<(), StoreError> {
        let client = self.client().await?;
        client.execute(&client.prepare_cached(sql::END_EARLIER_LIFE).await?, &[]).await?;
        Ok(())
    }
}
