//! `drover dead show`

use std::io::{self, Write as _};

use serde_json::{Map, Value};

use super::{Context, body, reason};
use crate::{
    api::DeadLetter,
    failure::{Exit, Failure},
    render::{text::one_line, time},
};

pub(super) async fn run(ctx: &Context, id: i64, only_body: bool) -> Result<Exit, Failure> {
    let answer = ctx.client.get::<DeadLetter>(&format!("/dead/{id}"), &[]).await?;
    if only_body {
        io::stdout().lock().write_all(&body::bytes(&answer.body))?;
    } else if ctx.output.json {
        ctx.output.json(&answer.raw)?;
    } else {
        ctx.output.line(page(&answer.body))?;
    }
    Ok(Exit::Done)
}

fn page(letter: &DeadLetter) -> String {
    let mut lines = Vec::new();
    let mut line = |key: &str, value: Option<&str>| {
        lines.extend(value.filter(|value| !value.is_empty()).map(|value| format!("{key:<14}  {}", one_line(value))));
    };
    let redrives = (letter.redrives > 0).then(|| letter.redrives.to_string());
    line("id", Some(letter.id.as_str().unwrap_or(&letter.id.to_string())));
    line("time", Some(&time::moment(letter.at)));
    line("queue", letter.queue.as_deref());
    line("reason", Some(&reason(letter)));
    line("redrives", redrives.as_deref());
    line("job", letter.job_id.as_deref());
    line("type", letter.message_type.as_deref());
    line("message_id", letter.message_id.as_deref());
    line("content_type", letter.content_type.as_deref());
    for (name, value) in letter.properties.iter().filter(|(name, _)| name.as_str() != "headers") {
        line(name, value.as_str());
    }
    let headers = letter.properties.get("headers").and_then(Value::as_object).into_iter().flat_map(Map::iter);
    for (name, value) in headers {
        line(&one_line(&format!("header {name}")), value.as_str());
    }
    let kept = if letter.truncated { ", of which only the beginning was kept" } else { "" };
    line("body", Some(&format!("{} bytes{kept}", letter.body_bytes)));
    format!("{}\n\n{}", lines.join("\n"), body::shown(letter))
}
