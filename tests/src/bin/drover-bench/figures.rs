//! What was measured: for each figure one value a run, and where they are asked for the statements of the last run.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{statements::Statement, time::percentile};

/// The values of all runs so far.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    values: BTreeMap<String, Vec<f64>>,
    statements: BTreeMap<String, Vec<Statement>>,
}

impl Figures {
    /// One run's value of a figure.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64) {
        self.values.entry(name.into()).or_default().push(value);
    }

    /// What a measurement asked of the database, instead of what it did in an earlier run.
    pub(crate) fn set_statements(&mut self, name: &str, statements: Vec<Statement>) {
        self.statements.insert(name.to_owned(), statements);
    }

    /// The statements of the measurements that were asked for them.
    pub(crate) fn statements(&self) -> impl Iterator<Item = (&str, &[Statement])> {
        self.statements.iter().map(|(name, statements)| (name.as_str(), statements.as_slice()))
    }

    /// The median of the runs; `None` when it was not measured.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        self.values.get(name).map(|values| percentile(&mut values.clone(), 50))
    }

    /// The value of the last run.
    pub(crate) fn last(&self, name: &str) -> Option<f64> {
        self.values.get(name)?.last().copied()
    }

    /// The smallest and the largest value of the runs.
    pub(crate) fn range(&self, name: &str) -> Option<(f64, f64)> {
        let values = self.values.get(name)?;
        Some(
            values
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value))),
        )
    }

    /// The medians by name, the values they are the medians of under `runs_of`, and what was asked of the
    /// database under `statements`.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let medians = self.values.keys().map(|name| (name.clone(), json!(self.median(name).map(rounded))));
        let mut object: Map<String, Value> = medians.collect();
        let runs: Map<String, Value> = self
            .values
            .iter()
            .map(|(name, values)| (name.clone(), json!(values.iter().copied().map(rounded).collect::<Vec<_>>())))
            .collect();
        object.insert("runs_of".into(), Value::Object(runs));
        if !self.statements.is_empty() {
            object.insert("statements".into(), json!(self.statements));
        }
        object
    }
}

/// Thousandths are enough for milliseconds, and more would only look exact.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_median_of_its_runs() {
        let mut figures = Figures::default();
        for value in [3.0, 1.000_44, 2.0] {
            figures.add("speed", value);
        }
        assert_eq!(figures.median("speed"), Some(2.0));
        assert_eq!(figures.range("speed"), Some((1.000_44, 3.0)));
        assert_eq!(figures.median("weight"), None);
        let expected = json!({ "speed": 2.0, "runs_of": { "speed": [3.0, 1.0, 2.0] } });
        assert_eq!(Value::Object(figures.json()), expected);
    }
}
