//! `drover apply`

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::Context;
use crate::{
    api::{Answer, Applied},
    failure::{Exit, Failure},
    output,
};

pub(crate) async fn run(ctx: &Context, files: &[PathBuf]) -> Result<Exit, Failure> {
    let (mut applied, mut errors) = (Vec::<Value>::new(), Vec::<Value>::new());
    let mut worst = Exit::Done;
    for file in files {
        match apply(ctx, file).await {
            Ok(answer) if ctx.output.json => applied.push(answer.raw),
            Ok(Answer { body: Applied { name, hash, changed }, .. }) => {
                let changed = if changed { "registered" } else { "unchanged" };
                ctx.output.line(format_args!("{name} {changed} {}", hash.get(..12).unwrap_or(&hash)))?;
            }
            // The other files would meet the same.
            Err(failure @ (Failure::Connect { .. } | Failure::NotTheApi { .. } | Failure::Output(_))) => {
                return Err(failure);
            }
            Err(failure) => {
                ctx.output.note(format_args!("{}: {failure}", shown(file)));
                errors.push(json!({ "file": shown(file), "error": output::as_json(&failure) }));
                worst = failure.exit();
            }
        }
    }
    if ctx.output.json {
        ctx.output.json(&json!({ "definitions": applied, "errors": errors }))?;
    }
    Ok(worst)
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn shown(file: &Path) -> String {
    if is_stdin(file) { "standard input".into() } else { file.display().to_string() }
}

async fn apply(ctx: &Context, file: &Path) -> Result<Answer<Applied>, Failure> {
    let mut text = String::new();
    let read = if is_stdin(file) {
        io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(file).map(|read| text = read)
    };
    read.map_err(|error| Failure::Usage(format!("cannot be read: {error}")))?;
    let is_json = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        || is_stdin(file) && text.trim_start().starts_with('{');
    let content_type = if is_json { "application/json" } else { "application/yaml" };
    ctx.client.put("/definitions", &[("source", shown(file))], content_type, text).await
}
