//! `drover dead redrive` and `drover dead discard`

use serde_json::{Value, json};

use super::Context;
use crate::{
    api::Redriven,
    cli::Sweep,
    command::many::{self, Errand, Tally, Words},
    failure::{Exit, Failure},
};

const REDRIVE: Words = Words { act: "Redrive", done: "redriven", thing: "dead letter" };
const DISCARD: Words = Words { act: "Discard", done: "discarded", thing: "dead letter" };

pub(super) async fn redrive(ctx: &Context, args: Sweep) -> Result<Exit, Failure> {
    if args.ids.is_empty() {
        let errand = Errand { path: "/dead/redrive", body: body(&args)?, words: REDRIVE };
        return many::run(ctx, &errand, args.consent).await;
    }
    let mut tally = Tally::default();
    for id in args.ids {
        let answer = ctx.client.post::<Redriven>(&format!("/dead/{id}/redrive"), &[]).await;
        match answer {
            Ok(answer) => {
                let Redriven { queue, job_id } = answer.body;
                let job = job_id.map(|id| format!("job {id} is retried"));
                let done = job.or_else(|| queue.map(|queue| format!("sent to {queue}"))).unwrap_or_default();
                ctx.output.note(format_args!("{id}: {done}"));
                tally.done();
            }
            Err(failure) => refused(&mut tally, id, failure)?,
        }
    }
    tally.tell(ctx, REDRIVE)
}

pub(super) async fn discard(ctx: &Context, args: Sweep) -> Result<Exit, Failure> {
    if args.ids.is_empty() {
        let errand = Errand { path: "/dead/discard", body: body(&args)?, words: DISCARD };
        return many::run(ctx, &errand, args.consent).await;
    }
    let mut tally = Tally::default();
    for id in args.ids {
        match ctx.client.delete(&format!("/dead/{id}")).await {
            Ok(()) => tally.done(),
            Err(failure) => refused(&mut tally, id, failure)?,
        }
    }
    tally.tell(ctx, DISCARD)
}

/// A letter that is refused does not keep the others; a server that is away does.
fn refused(tally: &mut Tally, id: i64, failure: Failure) -> Result<(), Failure> {
    match failure {
        Failure::Refused(problem) => {
            tally.refused(id, problem.to_string());
            Ok(())
        }
        other => Err(other),
    }
}

fn body(args: &Sweep) -> Result<Value, Failure> {
    let Sweep { letters, all, .. } = args;
    if *all {
        return Ok(json!({ "all": true }));
    }
    if letters.queue.is_none() && letters.reason.is_none() {
        let words = "say which: ids, --queue, --reason, or --all for every dead letter";
        return Err(Failure::Usage(words.into()));
    }
    Ok(json!({ "filter": { "queue": letters.queue, "reason": letters.reason } }))
}
