//! Lists of scenes that are read in pages, newest first, and sent on as they come.

use std::future::Future;

use drover_worker::{JobContext, JobFailure};

use super::go_on;
use crate::{limits::PAGE, store::StoreError};

/// Sends the ids as the list `name`, cut into pieces of `piece` by `shape`. Gives how many ids there were, at most `limit`.
pub(super) async fn send<T: serde::Serialize + Send, P>(
    ctx: &JobContext,
    name: &str,
    limit: u64,
    piece: usize,
    page: impl Fn(i64, i64) -> P + Send,
    shape: impl Fn(Vec<i64>) -> T + Send,
) -> Result<u64, JobFailure>
where
    P: Future<Output = Result<Vec<i64>, StoreError>> + Send,
{
    // Without values it is known and empty.
    ctx.items(name, Vec::<T>::new()).await?;
    let (mut before, mut total, mut rest) = (i64::MAX, 0, Vec::new());
    while total < limit {
        go_on(ctx)?;
        let most = i64::try_from(limit - total).unwrap_or(PAGE).min(PAGE);
        let ids = page(before, most).await.map_err(StoreError::into_failure)?;
        let Some(last) = ids.last() else { break };
        before = *last;
        total += ids.len() as u64;
        rest.extend(ids);
        let mut full = Vec::new();
        while rest.len() >= piece {
            let more = rest.split_off(piece);
            full.push(shape(std::mem::replace(&mut rest, more)));
        }
        ctx.items(name, full).await?;
        ctx.processed(total, None);
    }
    if !rest.is_empty() {
        ctx.items(name, [shape(rest)]).await?;
    }
    Ok(total)
}
