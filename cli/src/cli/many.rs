//! What is said of many at once: which are meant, and whether it is.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, builder::NonEmptyStringValueParser};
use drover_protocol::{JobId, JobStatus};
use serde_json::{Map, Value, json};

use crate::{arg, failure::Failure};

/// Sets apart the options that choose jobs.
const WHICH: &str = "Which jobs";
/// The options that speak of many jobs, and so of no single one.
pub(crate) const OF_MANY: [&str; 10] =
    ["status", "job_type", "parent", "label", "paused", "created_after", "created_before", "all", "dry_run", "yes"];

/// Whether what is asked for many is meant.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Consent {
    /// Only count what matches.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask; needed where nobody can be asked.
    #[arg(long, short, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
}

/// One job by its id, or the jobs of a filter.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// The job's whole id; without one, the jobs of a filter are meant.
    #[arg(value_parser = arg::job_id, value_name = "ID", conflicts_with_all = OF_MANY)]
    pub(crate) id: Option<JobId>,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Every job that this can be done to.
    #[arg(
        long,
        help_heading = WHICH,
        conflicts_with_all = ["status", "job_type", "parent", "label", "paused", "created_after", "created_before"]
    )]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

impl Selection {
    /// The body of a request about the jobs of the filter, with these options.
    pub(crate) fn body(&self, options: Value) -> Result<Value, Failure> {
        if !self.filter.narrows() && !self.all {
            return Err(Failure::Usage(
                "say which jobs: an ID, a filter (--status, --type, --label, --parent ID, --paused, --created-after, \
                 --created-before), or --all for every job"
                    .into(),
            ));
        }
        let mut body = options;
        body["filter"] = self.filter.object();
        if self.all {
            body["all"] = json!(true);
        }
        Ok(body)
    }
}

/// The jobs that are listed, or that something is done to.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only these statuses, separated by commas.
    #[arg(long, help_heading = WHICH, value_delimiter = ',', value_parser = arg::status)]
    pub(crate) status: Vec<JobStatus>,
    /// Only this workflow or job type.
    #[arg(long = "type", help_heading = WHICH, value_name = "TYPE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) job_type: Option<String>,
    /// Only sub-jobs of this job; `none`: no sub-jobs, `any`: sub-jobs too.
    #[arg(long, help_heading = WHICH, value_name = "ID|none|any", default_value = "none", value_parser = arg::parent)]
    pub(crate) parent: String,
    /// Only jobs with this label. Repeatable: all must be there.
    #[arg(long, help_heading = WHICH, value_name = "KEY=VALUE", value_parser = arg::pair)]
    pub(crate) label: Vec<(String, String)>,
    /// Only jobs that are paused.
    #[arg(long, help_heading = WHICH)]
    pub(crate) paused: bool,
    /// Only jobs created after this: RFC 3339, a date, or an age as 15m, 2h, 7d.
    #[arg(long, help_heading = WHICH, visible_alias = "after", value_name = "TIME", value_parser = arg::moment)]
    pub(crate) created_after: Option<DateTime<Utc>>,
    /// Only jobs created before this.
    #[arg(long, help_heading = WHICH, visible_alias = "before", value_name = "TIME", value_parser = arg::moment)]
    pub(crate) created_before: Option<DateTime<Utc>>,
}

impl Filter {
    /// As the API's list takes it.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let statuses: Vec<&str> = self.status.iter().map(|status| status.as_str()).collect();
        let mut query = vec![("parent", self.parent.clone())];
        query.extend((!statuses.is_empty()).then(|| ("status", statuses.join(","))));
        query.extend(self.job_type.iter().map(|job_type| ("type", job_type.clone())));
        query.extend(self.label.iter().map(|(key, value)| ("label", format!("{key}:{value}"))));
        query.extend(self.paused.then(|| ("paused", "true".to_owned())));
        query.extend(self.created_after.iter().map(|at| ("created_after", time(at))));
        query.extend(self.created_before.iter().map(|at| ("created_before", time(at))));
        query
    }

    /// The same as an object.
    fn object(&self) -> Value {
        let (mut fields, mut labels) = (Map::new(), Vec::new());
        for (name, value) in self.query() {
            match name {
                "label" => labels.push(value),
                "parent" if value == "none" => {}
                _ => drop(fields.insert(name.into(), value.into())),
            }
        }
        if !labels.is_empty() {
            fields.insert("label".into(), labels.into());
        }
        fields.into()
    }

    /// Whether anything is said but the usual: whether a sub-job is meant, too, narrows nothing.
    fn narrows(&self) -> bool {
        let Self { status, job_type, parent, label, paused, created_after, created_before } = self;
        !["none", "any"].contains(&parent.as_str())
            || !status.is_empty()
            || job_type.is_some()
            || !label.is_empty()
            || *paused
            || created_after.is_some()
            || created_before.is_some()
    }
}
