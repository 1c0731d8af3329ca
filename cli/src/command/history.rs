//! `drover history`

use drover_protocol::JobId;
use serde_json::{Value, json};

use super::Context;
use crate::{
    api::{History, HistoryEvent},
    failure::{Exit, Failure},
    render::{
        table::{Column, Table},
        time,
    },
};

/// Events of one question.
const PAGE: u32 = 1_000;

pub(crate) async fn run(ctx: &Context, id: JobId, limit: u32) -> Result<Exit, Failure> {
    let mut events = Vec::new();
    let mut raw = Vec::new();
    let mut after = None;
    loop {
        let asked = (limit - count(&events).min(limit)).min(PAGE);
        let mut query = vec![("limit", asked.to_string())];
        query.extend(after.take().map(|after| ("after", after)));
        let mut page = ctx.client.get::<History>(&format!("/jobs/{id}/history"), &query).await?;
        raw.extend(page.raw["events"].as_array_mut().map(std::mem::take).unwrap_or_default());
        if page.body.more {
            after = next(page.body.next_after.as_ref());
        }
        events.append(&mut page.body.events);
        if after.is_none() || count(&events) >= limit {
            break;
        }
    }
    if ctx.output.json {
        ctx.output.json(&json!({ "events": raw, "next_after": after }))?;
        return Ok(Exit::Done);
    }
    table(id, &events).print(&ctx.output, "nothing has happened to the job yet")?;
    if after.is_some() {
        ctx.output.note(format_args!("there is more: --limit shows more than {limit} events"));
    }
    Ok(Exit::Done)
}

fn count(events: &[HistoryEvent]) -> u32 {
    u32::try_from(events.len()).unwrap_or(u32::MAX)
}

/// What to ask for next; the id is a number or a text.
pub(super) fn next(after: Option<&Value>) -> Option<String> {
    match after? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn table(id: JobId, events: &[HistoryEvent]) -> Table {
    let of_others = events.iter().any(|event| event.job_id.is_some_and(|job| job != id));
    let mut columns = vec![Column::whole("TIME"), Column::right("ATTEMPT"), Column::right("DISPATCH")];
    columns.extend([Column::whole("EVENT"), Column::cut("DETAIL")]);
    if of_others {
        columns.insert(1, Column::whole("JOB"));
    }
    let mut table = Table::new(columns);
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    for event in events {
        let mut cells = vec![time::moment_ms(event.at), number(event.attempt), number(event.dispatch)];
        cells.extend([event.kind.clone(), detail(&event.detail)]);
        if of_others {
            cells.insert(1, event.job_id.map(|job| job.to_string()).unwrap_or_default());
        }
        table.row(cells);
    }
    table
}

fn detail(detail: &Value) -> String {
    match detail {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| match value {
                Value::String(text) => format!("{key}={text}"),
                other => format!("{key}={other}"),
            };
            // A result is long, and `drover show` has it.
            let shown = fields.iter().filter(|(key, value)| *key != "result" && !value.is_null());
            shown.map(field).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
