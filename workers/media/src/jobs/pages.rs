//! Lists of scenes that are read in pages, newest first, and sent on as they come.

use std::future::Future;

use drover_worker::{JobContext, JobFailure};

use super::go_on;
use crate::{limits::PAGE, store::StoreError};

/// Sends the ids as the list `name`. Gives how many there were, at most `limit`.
pub(super) async fn send<P>(
    ctx: &JobContext,
    name: &str,
    limit: u64,
    page: impl Fn(i64, i64) -> P + Send,
) -> Result<u64, JobFailure>
where
    P: Future<Output = Result<Vec<i64>, StoreError>> + Send,
{
    // Without values it is known and empty.
    ctx.items(name, Vec::<i64>::new()).await?;
    let (mut before, mut total) = (i64::MAX, 0);
    while total < limit {
        go_on(ctx)?;
        let most = i64::try_from(limit - total).unwrap_or(PAGE).min(PAGE);
        let ids = page(before, most).await.map_err(StoreError::into_failure)?;
        let Some(last) = ids.last() else { break };
        before = *last;
        total += ids.len() as u64;
        ctx.items(name, ids).await?;
        ctx.processed(total, None);
    }
    Ok(total)
}
