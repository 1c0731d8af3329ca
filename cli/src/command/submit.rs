//! `drover submit`

use std::{
    fs,
    io::{self, Read as _},
    time::Duration,
};

use drover_service::retry::Backoff;
use serde_json::{Map, Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::{Context, watch};
use crate::{
    api::{Answer, Submitted},
    cli::Submit,
    failure::{Exit, Failure},
};

/// How often a submission is sent. Its key makes the repeats harmless.
const TRIES: u32 = 4;
/// First and longest pause between the tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));
/// The longest pause that the server may ask for.
const LONGEST_PAUSE_SECONDS: u64 = 10;

pub(crate) async fn run(ctx: &Context, args: Submit) -> Result<Exit, Failure> {
    let body = body(&args)?;
    let key = args.key.unwrap_or_else(|| format!("drover-cli/{}", Uuid::now_v7()));
    let answer = send(ctx, &body, &key).await?;
    let id = answer.body.id;
    if answer.body.duplicate {
        ctx.output.note("this key was used before: the job made then is the one");
    }
    if !args.wait {
        if ctx.output.json {
            ctx.output.json(&answer.raw)?;
        } else {
            ctx.output.line(id)?;
        }
        return Ok(Exit::Done);
    }
    if ctx.output.json {
        // Standard output gets the job as it ended; whoever reads along knows the id from here.
        ctx.output.note(format_args!("submitted {id}"));
    } else {
        ctx.output.line(id)?;
    }
    watch::wait(ctx, id).await
}

async fn send(ctx: &Context, body: &Value, key: &str) -> Result<Answer<Submitted>, Failure> {
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
    for _ in 1..TRIES {
        match ctx.client.submit(body, key).await {
            Err(failure) if failure.is_transient() => {
                let asked = failure.problem().and_then(|problem| problem.retry_after_seconds);
                let asked = asked.map(|seconds| Duration::from_secs(seconds.min(LONGEST_PAUSE_SECONDS)));
                ctx.output.note(format_args!("{failure}; trying again"));
                sleep(asked.unwrap_or_else(|| backoff.next())).await;
            }
            answer => return answer,
        }
    }
    ctx.client.submit(body, key).await
}

fn body(args: &Submit) -> Result<Value, Failure> {
    let mut params = match &args.params {
        Some(text) => params(text)?,
        None => Map::new(),
    };
    params.extend(args.param.iter().cloned());
    let mut body = json!({ "type": args.job_type, "params": params });
    if !args.label.is_empty() {
        body["labels"] = args.label.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    }
    if let Some(run_at) = args.run_at {
        body["run_at"] = run_at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into();
    }
    Ok(body)
}

/// Reads `--params`: JSON, `@FILE` or `-`.
fn params(given: &str) -> Result<Map<String, Value>, Failure> {
    let unreadable =
        |what: &str, error: &io::Error| Failure::Usage(format!("--params: {what} cannot be read: {error}"));
    let (source, text) = if given == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map_err(|error| unreadable("standard input", &error))?;
        ("standard input", text)
    } else if let Some(path) = given.strip_prefix('@') {
        (path, fs::read_to_string(path).map_err(|error| unreadable(path, &error))?)
    } else {
        ("the value", given.to_owned())
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(params)) => Ok(params),
        Ok(_) => {
            Err(Failure::Usage(format!("--params: {source} is no JSON object, as {{\"path\": \"/imports\"}} is one")))
        }
        Err(error) => Err(Failure::Usage(format!("--params: {source} is no JSON: {error}"))),
    }
}
