//! How long finished work is kept, as it is configured.

use std::{collections::BTreeMap, time::Duration};

use drover_protocol::JobType;
use drover_service::config::{Invalid, in_range};
use serde::Deserialize;

const SECONDS_OF_A_DAY: f64 = 86_400.0;
/// A century: nobody means more, and times stay within what can be written.
pub(crate) const MOST_DAYS: f64 = 36_525.0;
/// The newest that are kept are counted along an index at each round.
const MOST_KEPT: u32 = 1_000_000;

/// How long finished work is kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSection {
    /// Trees that ended longer ago than this go. 0: they are kept for ever.
    pub days: f64,
    /// Of each type, the newest of so many ended trees are kept, and older ones go whatever their age. 0: no limit.
    pub keep: u32,
    /// Dead letters that are older than this go. 0: they are kept for ever.
    pub dead_letter_days: f64,
    /// What is otherwise for a type.
    #[serde(default)]
    pub types: BTreeMap<JobType, TypeRetention>,
}

/// What is otherwise for a type.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeRetention {
    /// In the place of the section's.
    pub days: Option<f64>,
    /// In the place of the section's.
    pub keep: Option<u32>,
}

/// How long ended trees of one type are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `None`: for ever.
    pub age: Option<Duration>,
    /// `None`: however many there are.
    pub newest: Option<u32>,
}

impl RetentionSection {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first key whose value makes no sense.
    pub fn validate(&self) -> Result<(), Invalid> {
        let check = |path: &str, days: Option<f64>, keep: Option<u32>| {
            days.map_or(Ok(()), |days| in_range(&format!("{path}.days"), &days, &(0.0..=MOST_DAYS)))?;
            keep.map_or(Ok(()), |keep| in_range(&format!("{path}.keep"), &keep, &(0..=MOST_KEPT)))
        };
        check("retention", Some(self.days), Some(self.keep))?;
        in_range("retention.dead_letter_days", &self.dead_letter_days, &(0.0..=MOST_DAYS))?;
        let mut types = self.types.iter();
        types.try_for_each(|(name, own)| check(&format!("retention.types.{name}"), own.days, own.keep))
    }

    /// What holds for a type.
    #[must_use]
    pub fn rule(&self, job_type: &JobType) -> Rule {
        let own = self.types.get(job_type).copied().unwrap_or_default();
        let newest = own.keep.unwrap_or(self.keep);
        Rule { age: age(own.days.unwrap_or(self.days)), newest: (newest > 0).then_some(newest) }
    }

    /// How long dead letters are kept; `None`: for ever.
    #[must_use]
    pub fn dead_letter_age(&self) -> Option<Duration> {
        age(self.dead_letter_days)
    }
}

/// Days as a duration; 0 is no limit.
pub(crate) fn age(days: f64) -> Option<Duration> {
    (days > 0.0).then(|| crate::config::duration(days * SECONDS_OF_A_DAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, DEFAULTS, SECTIONS},
        testing::job_type,
    };
    use drover_service::config::Loader;

    fn load(text: &str) -> Result<RetentionSection, String> {
        let directory = tempfile::tempdir().expect("a folder");
        let path = directory.path().join("drover.toml");
        std::fs::write(&path, text).expect("written");
        let loader = Loader::new(DEFAULTS).file(Some(&path)).only(SECTIONS).environment(Default::default());
        loader.load::<Config>().map(|config| config.retention).map_err(|error| error.to_string())
    }

    #[test]
    fn a_type_has_its_own_rule_and_the_sections_for_the_rest() {
        let text = "[retention]\ndays = 7\n[retention.types.nightly]\nkeep = 5\n[retention.types.\"a.b\"]\ndays = 0";
        let retention = load(text).expect("it is valid");
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        assert_eq!(retention.rule(&job_type("any")), Rule { age: days(7), newest: None });
        assert_eq!(retention.rule(&job_type("nightly")), Rule { age: days(7), newest: Some(5) });
        assert_eq!(retention.rule(&job_type("a.b")), Rule { age: None, newest: None });
        assert_eq!(retention.dead_letter_age(), days(30));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (text, key) in [
            ("[retention]\ndays = -1", "retention.days"),
            ("[retention]\nkeep = 1000001", "retention.keep"),
            ("[retention]\ndead_letter_days = 1e9", "retention.dead_letter_days"),
            ("[retention.types.x]\ndays = -0.5", "retention.types.x.days"),
            ("[retention.types.x]\nkept = 1", "retention.types.x.kept"),
            ("[retention.types.Big]\nkeep = 1", "retention.types"),
        ] {
            let error = load(text).expect_err(text);
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
