//! `schedule`: when a workflow is submitted by itself.

use std::str::FromStr as _;

use chrono::{DateTime, SubsecRound as _, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use serde_json::{Value, json};

use super::{
    InputSchema,
    document::Content,
    limits,
    report::{Field, Fields, Report},
};
use crate::expression::{shorten, suggest};

const KEYS: [&str; 6] = ["cron", "time_zone", "overlap", "catch_up", "enabled", "input"];

/// When a workflow is submitted by itself, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The cron text as it was written.
    pub cron: String,
    /// By which clock it is read.
    pub time_zone: Tz,
    /// What happens at a time at which a run of before has not ended.
    pub overlap: Overlap,
    /// What happens to times at which nothing could be submitted.
    pub catch_up: CatchUp,
    /// Whether it is on, unless a person has switched it.
    pub enabled: bool,
    /// The parameters of its runs, without the defaults of the workflow's `input`.
    pub input: Value,
    times: Cron,
}

/// What happens at a time at which a run of before has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// There is no run for this time.
    #[default]
    Skip,
    /// The run begins when those before it have ended.
    Queue,
    /// The run begins beside the others.
    Allow,
}

/// What happens to times that went by while nothing could be submitted: the orchestrators or the database were away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The last of them is made up for.
    #[default]
    Last,
    /// All of them are made up for, up to [`limits::CATCH_UP`].
    All,
}

const OVERLAPS: [(&str, Overlap); 3] = [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("allow", Overlap::Allow)];
const CATCH_UPS: [(&str, CatchUp); 3] = [("none", CatchUp::None), ("last", CatchUp::Last), ("all", CatchUp::All)];

impl Overlap {
    /// Its word in a definition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow => "allow",
        }
    }
}

impl CatchUp {
    /// Its word in a definition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Last => "last",
            Self::All => "all",
        }
    }
}

impl Schedule {
    /// The first time after `after`, to the second. None: the calendar has no further one.
    ///
    /// When clocks go forward, a time of day that is left out is taken at the first second after the gap; when they go back, one
    /// that comes twice is taken the first time. What recurs within the day (`*/15 * * * *`, `0 1,13 * * *`) is left out in the
    /// gap and taken both times.
    #[must_use]
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let after = after.with_timezone(&self.time_zone);
        self.times.find_next_occurrence(&after, false).ok().map(|time| time.to_utc().trunc_subsecs(0))
    }

    /// The next so many times after `after`.
    #[must_use]
    pub fn upcoming(&self, after: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        std::iter::successors(self.next_after(after), |time| self.next_after(*time)).take(count).collect()
    }

    /// The last `most` times from `from` until `until`, both included; the earliest first.
    #[must_use]
    pub fn last_between(&self, from: DateTime<Utc>, until: DateTime<Utc>, most: usize) -> Vec<DateTime<Utc>> {
        let before = |time: DateTime<Utc>, inclusive| {
            let time = time.trunc_subsecs(0).with_timezone(&self.time_zone);
            let found = self.times.find_previous_occurrence(&time, inclusive).ok()?;
            Some(found.to_utc().trunc_subsecs(0))
        };
        let mut times: Vec<_> = std::iter::successors(before(until, true), |time| before(*time, false))
            .take_while(|time| *time >= from)
            .take(most)
            .collect();
        times.reverse();
        times
    }

    /// The cron text in words: `At 03:00`.
    #[must_use]
    pub fn words(&self) -> String {
        let words = self.times.describe();
        let words = words.trim_end_matches('.');
        words.strip_prefix("At every ").map_or_else(|| words.to_owned(), |rest| format!("Every {rest}"))
    }

    pub(super) fn read(field: &Field<'_>, schema: Option<&InputSchema>, report: &mut Report) -> Option<Self> {
        let fields = Fields::of(field, &KEYS, report)?;
        let cron = fields.require("cron", "when it runs, e.g. \"0 3 * * *\": every day at 03:00", report);
        let cron = cron.and_then(|field| Some((field.text("a cron text such as \"0 3 * * *\"", report)?, field)));
        let times = cron.as_ref().and_then(|(text, field)| times(text, field, report));
        let time_zone = fields.get("time_zone").map_or(Some(Tz::UTC), |field| time_zone(&field, report));
        let overlap = fields.get("overlap").and_then(|field| field.word(&OVERLAPS, report)).unwrap_or_default();
        let catch_up = fields.get("catch_up").and_then(|field| field.word(&CATCH_UPS, report)).unwrap_or_default();
        let enabled = fields.get("enabled").and_then(|field| field.bool(report)).unwrap_or(true);
        let input = input(&fields, schema, report);
        let (cron, times) = (cron?.0.trim().to_owned(), times?);
        Some(Self { cron, time_zone: time_zone?, overlap, catch_up, enabled, input, times })
    }
}

/// Reads the cron text.
fn times(text: &str, field: &Field<'_>, report: &mut Report) -> Option<Cron> {
    if text.len() > limits::CRON_BYTES {
        field.add(report, format!("has {} bytes; at most {} are allowed", text.len(), limits::CRON_BYTES));
        return None;
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let times = match parser.parse(text) {
        Ok(times) => times,
        Err(error) => {
            let message = format!(
                "{:?} is no cron text: {}. It has five fields (minute, hour, day of the month, month, day of the week), or six \
                 with seconds before them",
                shorten(text, 60),
                error.to_string().trim_end_matches('.')
            );
            field.add(report, message);
            return None;
        }
    };
    // Without a year in it, what has no time in the 28 years after which weekdays and leap years come round never has one.
    if times.find_next_occurrence(&DateTime::UNIX_EPOCH, true).is_err() {
        field.add(report, format!("{:?} has no time at all: there is no such day", shorten(text, 60)));
        return None;
    }
    Some(times)
}

fn time_zone(field: &Field<'_>, report: &mut Report) -> Option<Tz> {
    let text = field.text("a time zone such as Europe/Berlin", report)?;
    let zone = Tz::from_str(text).ok();
    if zone.is_none() {
        let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        let nearest = suggest::nearest(text, &names).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        let message = format!(
            "{:?} is no time zone of the IANA database, such as Europe/Berlin or UTC{nearest}",
            shorten(text, 60)
        );
        field.add(report, message);
    }
    zone
}

/// The parameters, which must fit the workflow's own `input`.
fn input(fields: &Fields<'_>, schema: Option<&InputSchema>, report: &mut Report) -> Value {
    let given = fields.get("input");
    if let Some(field) = given.as_ref().filter(|field| !matches!(field.node.content, Content::Map(_))) {
        field.add(report, format!("must be a mapping of parameters; it is {}", field.node.kind()));
        return json!({});
    }
    let value = given.as_ref().map_or_else(|| json!({}), |field| field.node.to_value());
    let errors = schema.and_then(|schema| schema.validate(value.clone()).err()).unwrap_or_default();
    for error in errors {
        match &given {
            Some(field) => {
                let message = format!("does not fit the workflow's `input`: {} {}", error.pointer, error.message);
                field.at_pointer(&error.pointer).add(report, message);
            }
            None => {
                let message =
                    format!("`input` is missing, and the workflow's own says: {} {}", error.pointer, error.message);
                fields.whole.add(report, message);
            }
        }
    }
    if let Some(field) = given.as_ref()
        && has_reference(&value)
    {
        field.add(report, "\"$items\" refers to a list that a job sent; write the list itself");
    }
    value
}

fn has_reference(value: &Value) -> bool {
    match value {
        Value::Object(entries) => entries.contains_key("$items") || entries.values().any(has_reference),
        Value::Array(values) => values.iter().any(has_reference),
        _ => false,
    }
}
