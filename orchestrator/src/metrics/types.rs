//! Job types as labels: not more of them than Prometheus can bear.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
};

/// Most types that have a label of their own. With the buckets of two histograms these are some thousand series.
const MOST: usize = 200;
/// What the others are counted under: no type begins with an underscore.
const OTHERS: &str = "_other";

/// The types that have a label of their own: the first that came.
#[derive(Debug, Default)]
pub(super) struct Types(RwLock<BTreeSet<String>>);

impl Types {
    /// What a type is counted under.
    pub(super) fn label(&self, job_type: &str) -> String {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains(job_type) {
            return job_type.to_owned();
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains(job_type) {
            return OTHERS.to_owned();
        }
        known.insert(job_type.to_owned());
        job_type.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_types_have_labels_of_their_own() {
        let types = Types::default();
        for number in 0..MOST {
            let name = format!("type_{number}");
            assert_eq!(types.label(&name), name);
        }
        assert_eq!(types.label("one_more"), OTHERS);
        assert_eq!(types.label("type_0"), "type_0", "it has one already");
    }
}
