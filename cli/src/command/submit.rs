//! `drover submit`

use std::{
    fs,
    io::{self, Read as _},
};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Context, again::again, watch};
use crate::{
    api::{Answer, Submitted},
    cli::Submit,
    failure::{Exit, Failure},
};

pub(crate) async fn run(ctx: &Context, args: Submit) -> Result<Exit, Failure> {
    let body = body(&args)?;
    let key = args.key.unwrap_or_else(|| format!("drover-cli/{}", Uuid::now_v7()));
    // Its key makes the repeats harmless.
    let answer = again(ctx, || ctx.client.submit::<Submitted>(&body, &key)).await?;
    tell(ctx, &answer, args.wait).await
}

/// Says which job was made, and follows it to its end if `wait` says so.
pub(super) async fn tell(ctx: &Context, answer: &Answer<Submitted>, wait: bool) -> Result<Exit, Failure> {
    let id = answer.body.id;
    if answer.body.duplicate {
        ctx.output.note("this key was used before: the job made then is the one");
    }
    if !wait {
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

/// Reads `--params`, which is an object.
fn params(given: &str) -> Result<Map<String, Value>, Failure> {
    match json("--params", given)? {
        Value::Object(params) => Ok(params),
        _ => {
            let source = source(given);
            Err(Failure::Usage(format!("--params: {source} is no JSON object, as {{\"path\": \"/imports\"}} is one")))
        }
    }
}

/// Reads the value of an option: JSON, `@FILE` or `-`.
pub(super) fn json(option: &str, given: &str) -> Result<Value, Failure> {
    let source = source(given);
    let unreadable = |error: &io::Error| Failure::Usage(format!("{option}: {source} cannot be read: {error}"));
    let text = if given == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map_err(|error| unreadable(&error))?;
        text
    } else if let Some(path) = given.strip_prefix('@') {
        fs::read_to_string(path).map_err(|error| unreadable(&error))?
    } else {
        given.to_owned()
    };
    serde_json::from_str(&text).map_err(|error| Failure::Usage(format!("{option}: {source} is no JSON: {error}")))
}

/// Where a value comes from, for people.
fn source(given: &str) -> &str {
    match given {
        "-" => "standard input",
        _ => given.strip_prefix('@').unwrap_or("the value"),
    }
}
