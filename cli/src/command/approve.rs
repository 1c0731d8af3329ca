//! `drover approve`

use serde_json::json;

use super::{Context, submit};
use crate::{
    api::{JobView, Problem},
    cli::Approve,
    failure::{Exit, Failure},
    render::text::one_line,
};

pub(crate) async fn run(ctx: &Context, args: Approve) -> Result<Exit, Failure> {
    let id = args.job.id;
    let mut body = json!({ "approved": !args.refuse });
    for (name, value) in [("step", &args.step), ("reason", &args.reason)] {
        if let Some(value) = value {
            body[name] = value.as_str().into();
        }
    }
    if let Some(data) = &args.data {
        body["data"] = submit::json("--data", data)?;
    }
    let answer = ctx.client.post_json::<JobView>(&format!("/jobs/{id}/answer"), &body).await;
    let job = answer.map_err(|failure| failure.with_hint(409, hint))?;
    if ctx.output.json {
        ctx.output.json(&job.raw)?;
        return Ok(Exit::Done);
    }
    let JobView { id, message, status, .. } = &job.body;
    let said = message.as_deref().map_or_else(|| status.to_string(), one_line);
    ctx.output.line(format_args!("{id} {said}"))?;
    Ok(Exit::Done)
}

fn hint(problem: &Problem) -> Option<String> {
    let several = problem.kind.as_deref() == Some("several_wait");
    several.then(|| "`--step KEY` says which, or the id of the sub-job in place of the workflow's".into())
}
