//! "Did you mean": for names that are not known.

/// The near name, if there is one, and the list of all that would have been understood.
pub(crate) fn known(name: &str, known: &[&str]) -> String {
    let list = known.join(", ");
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`? Known are {list}"),
        None => format!("known are {list}"),
    }
}

/// The known name that is at most a third of its letters away and has a letter in common.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // Far longer than any name we know: nothing is near, and the comparison would be long.
    if name.len() > 100 {
        return None;
    }
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3 && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    // Three rows of the usual table: two letters back, one back, this one.
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, letter) in left.iter().enumerate() {
        let mut row = Vec::with_capacity(right.len() + 1);
        row.push(i + 1);
        for (j, other) in right.iter().enumerate() {
            let replaced = last[j] + usize::from(letter != other);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == right[j - 1] && left[i - 1] == *other {
                let swapped: usize = before[j - 1];
                best = best.min(swapped + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = ["max_parallel", "tolerate", "key", "if"];
        assert_eq!(nearest("max_paralel", &names), Some("max_parallel"));
        assert_eq!(nearest("timeout", &names), None);
        assert_eq!(nearest("kye", &["title", "key"]), Some("key"), "swapped letters are one slip");
        assert_eq!(nearest("ky_", &["title", "key"]), None, "two letters of three are no slip");
        assert_eq!(nearest("keys", &names), Some("key"));
        assert_eq!(nearest("", &names), None);
    }
}
