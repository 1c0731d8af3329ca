//! What was measured: for each figure one value a run.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::time::percentile;

/// The values of all runs so far.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<&'static str, Vec<f64>>);

impl Figures {
    /// One run's value of a figure.
    pub(crate) fn add(&mut self, name: &'static str, value: f64) {
        self.0.entry(name).or_default().push(value);
    }

    /// The median of the runs; `None` when it was not measured.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(|values| percentile(&mut values.clone(), 50))
    }

    /// The smallest and the largest value of the runs.
    pub(crate) fn range(&self, name: &str) -> Option<(f64, f64)> {
        let values = self.0.get(name)?;
        Some(
            values
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value))),
        )
    }

    /// The medians by name, and the values they are the medians of under `runs_of`.
    pub(crate) fn json(&self) -> Map<String, Value> {
        let medians = self.0.keys().map(|name| ((*name).to_owned(), json!(self.median(name).map(rounded))));
        let mut object: Map<String, Value> = medians.collect();
        let runs: Map<String, Value> = self
            .0
            .iter()
            .map(|(name, values)| ((*name).to_owned(), json!(values.iter().copied().map(rounded).collect::<Vec<_>>())))
            .collect();
        object.insert("runs_of".into(), Value::Object(runs));
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
