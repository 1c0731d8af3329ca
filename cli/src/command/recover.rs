//! `drover recover`

use chrono::TimeDelta;
use serde_json::json;

use super::{Context, again::again};
use crate::{
    api::Recovered,
    failure::{Exit, Failure},
};

pub(crate) async fn run(ctx: &Context, older_than: TimeDelta) -> Result<Exit, Failure> {
    let mut body = json!({ "older_than_seconds": older_than.num_seconds() });
    let (mut redispatched, mut retried) = (0, 0);
    loop {
        // What was dispatched again is too young to be so once more.
        let page = again(ctx, || ctx.client.post_json::<Recovered>("/recover", &body)).await?.body;
        (redispatched, retried) = (redispatched + page.redispatched, retried + page.retried);
        let Some(cursor) = page.next_cursor else { break };
        body["cursor"] = json!(cursor);
    }
    if ctx.output.json {
        ctx.output.json(&json!({ "redispatched": redispatched, "retried": retried }))?;
    } else {
        ctx.output.line(format_args!("dispatched again {redispatched}, retried {retried}"))?;
    }
    Ok(Exit::Done)
}
