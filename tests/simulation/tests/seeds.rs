//! The simulation holds on thousands of seeds, and notices when a rule of the protocol is broken.

use drover_simulation::{Rule, Seeds, explain, run};

/// Takes about ten seconds on two cores.
const SEEDS: u64 = 4_000;

/// A broken rule must show within so many seeds.
const RARE: u64 = 20_000;

#[test]
fn every_invariant_holds_after_every_step() {
    let outcome = Seeds { from: 0, count: SEEDS, broken: None, enough: 5 }.run();
    if let Some((seed, violation)) = outcome.violations.first() {
        let failure = explain(*seed, None).map_or_else(|| violation.clone(), |failure| failure.to_string());
        panic!("{} of {} seeds fail\n{failure}", outcome.violations.len(), outcome.seeds);
    }
    assert!(outcome.steps > SEEDS * 100, "{} steps are no simulation", outcome.steps);
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..20 {
        assert_eq!(run(seed, None).steps, run(seed, None).steps, "seed {seed}");
    }
}

/// Where the search for a violation begins: seeds near which one is known, for rules whose break seldom shows. After a
/// change that moves it the search only takes longer.
const fn hint(rule: Rule) -> u64 {
    match rule {
        Rule::QueuedCancelSettlesByAcks => 11_000,
        Rule::StaleWorkerBeginsNothing => 7_500,
        Rule::OwedIsRecovered => 5_900,
        Rule::LostConnectionHoldsMarkers => 97_000,
        _ => 0,
    }
}

/// Each rule is needed: without it some seed finds a violation.
#[test]
fn a_broken_rule_is_noticed() {
    let mut unnoticed = Vec::new();
    for rule in Rule::ALL {
        let outcome = Seeds { from: hint(*rule), count: RARE, broken: Some(*rule), enough: 1 }.run();
        match outcome.violations.first() {
            Some((seed, violation)) => eprintln!("{rule:?}: seed {seed} of {}: {violation:.200}", outcome.seeds),
            None => unnoticed.push(*rule),
        }
    }
    assert!(unnoticed.is_empty(), "broken, and nobody notices: {unnoticed:?}");
}

#[test]
fn a_failing_seed_is_told_in_few_words() {
    let broken = Some(Rule::OutboxIsSwept);
    let outcome = Seeds { from: 0, count: SEEDS, broken, enough: 1 }.run();
    let seed = outcome.violations.first().map(|(seed, _)| *seed).expect("one fails");
    let failure = explain(seed, broken).expect("it fails again");
    let told = failure.to_string();
    assert!(failure.violation.starts_with("I1"), "{told}");
    assert!(told.contains(&format!("scripts/simulate --from {seed} --seeds 1")), "{told}");
}
