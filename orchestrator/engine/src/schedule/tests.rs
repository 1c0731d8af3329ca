#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::definition::Definition;

fn schedule(fields: &str) -> Schedule {
    let text = format!("name: w\nsteps: [{{key: a, job: j}}]\nschedule: {{ {fields} }}\n");
    Definition::parse("t", &text).unwrap_or_else(|error| panic!("{error}")).schedule.unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-03-10T{text}Z").parse().unwrap()
}

fn due(from: &str) -> Standing {
    Standing { next_at: Some(at(from)), ..Standing::default() }
}

fn hours(hours: std::ops::RangeInclusive<u32>) -> Vec<DateTime<Utc>> {
    hours.map(|hour| at(&format!("{hour:02}:00:00"))).collect()
}

#[test]
fn a_time_is_fired_when_it_has_come_and_not_before() {
    let hourly = schedule("cron: '0 * * * *'");
    let early = turn(&hourly, &due("03:00:00"), at("02:59:59.999"));
    assert!(early.is_idle());
    assert_eq!(early.next_at, Some(at("03:00:00")));
    let now = turn(&hourly, &due("03:00:00"), at("03:00:00.2"));
    assert_eq!((now.fire, now.next_at), (hours(3..=3), Some(at("04:00:00"))));
    assert_eq!(now.last_at, Some(at("03:00:00")));
}

#[test]
fn what_is_off_has_no_times() {
    let off = turn(&schedule("cron: '0 * * * *'"), &Standing::default(), at("03:00:00"));
    assert_eq!(off, Turn::default());
}

#[test]
fn a_time_that_the_cron_text_no_longer_has_is_not_fired() {
    let changed = turn(&schedule("cron: '30 * * * *'"), &due("03:00:00"), at("03:00:01"));
    assert!(changed.is_idle());
    assert_eq!(changed.next_at, Some(at("03:30:00")));
}

#[test]
fn after_an_outage_each_rule_makes_up_for_what_it_says() {
    let fired = |catch_up: &str, now: &str| {
        let schedule = schedule(&format!("cron: '0 * * * *', overlap: allow, catch_up: {catch_up}"));
        let turn = turn(&schedule, &due("01:00:00"), at(now));
        assert_eq!(turn.fire.len() + turn.left_out.len(), 5, "each time is in one place");
        assert!(turn.left_out.iter().all(|(_, why)| *why == LeftOut::Missed));
        assert_eq!((turn.last_at, turn.next_at), (Some(at("05:00:00")), Some(at("06:00:00"))));
        turn.fire
    };
    assert!(fired("none", "05:20:00").is_empty());
    assert_eq!(fired("none", "05:00:59"), hours(5..=5), "a minute is no outage");
    assert_eq!(fired("last", "05:20:00"), hours(5..=5));
    assert_eq!(fired("last", "05:00:59"), hours(5..=5));
    assert_eq!(fired("all", "05:20:00"), hours(1..=5));
}

#[test]
fn a_short_delay_leaves_nothing_out_whatever_the_rule() {
    for catch_up in ["none", "last", "all"] {
        let often = schedule(&format!("cron: '* * * * * *', overlap: allow, catch_up: {catch_up}"));
        let turn = turn(&often, &due("03:00:00"), at("03:00:09.5"));
        assert_eq!((turn.fire.len(), turn.left_out.len()), (10, 0), "{catch_up}");
    }
}

#[test]
fn after_a_long_outage_only_so_many_are_made_up_for_the_latest() {
    let often = schedule("cron: '* * * * * *', overlap: allow, catch_up: all");
    let from = Standing { next_at: Some(at("03:00:00") - TimeDelta::days(3_650)), ..Standing::default() };
    let turn = turn(&often, &from, at("03:00:00"));
    assert_eq!((turn.fire.len(), turn.fire.last()), (limits::CATCH_UP, Some(&at("03:00:00"))));
}

#[test]
fn a_run_that_has_not_ended_is_waited_for_or_passed_over_or_not_minded() {
    let taken = |overlap: &str| {
        let standing = Standing { at_work: true, ..due("03:00:00") };
        turn(&schedule(&format!("cron: '0 * * * *', overlap: {overlap}")), &standing, at("03:00:01"))
    };
    let skipped = taken("skip");
    assert_eq!(skipped.left_out, [(at("03:00:00"), LeftOut::Overlap)]);
    assert!(skipped.fire.is_empty() && skipped.queued.is_empty());
    let queued = taken("queue");
    assert_eq!(queued.queued, hours(3..=3));
    assert!(queued.fire.is_empty() && queued.left_out.is_empty());
    assert_eq!(taken("allow").fire, hours(3..=3));
}

#[test]
fn what_waits_goes_on_one_by_one_in_its_order() {
    let hourly = schedule("cron: '0 * * * *', overlap: queue");
    let standing = Standing { queued: hours(1..=2), ..due("03:00:00") };
    let next = turn(&hourly, &standing, at("03:00:01"));
    assert_eq!((next.fire, next.queued), (hours(1..=1), hours(2..=3)));
    let between = turn(&hourly, &Standing { queued: hours(2..=3), ..due("04:00:00") }, at("03:10:00"));
    assert_eq!((between.fire, between.queued), (hours(2..=2), hours(3..=3)));
    assert_eq!((between.last_at, between.next_at), (None, Some(at("04:00:00"))), "nothing new was open");
    let waits = turn(&hourly, &Standing { queued: hours(2..=2), at_work: true, ..due("04:00:00") }, at("03:10:00"));
    assert!(waits.is_idle());
    assert_eq!(waits.queued, hours(2..=2));
}

#[test]
fn only_so_many_wait() {
    let often = schedule("cron: '* * * * * *', overlap: queue, catch_up: all");
    let early = (0..limits::QUEUED).map(|second| at("01:00:00") + TimeDelta::seconds(i64::try_from(second).unwrap()));
    let standing = Standing { queued: early.collect(), at_work: true, ..due("03:00:00") };
    let turn = turn(&often, &standing, at("03:00:01"));
    assert_eq!(turn.queued, standing.queued);
    assert_eq!(turn.left_out, [at("03:00:00"), at("03:00:01")].map(|at| (at, LeftOut::QueueFull)));
}

#[test]
fn what_waited_under_another_rule_follows_the_one_that_holds() {
    let standing = Standing { queued: hours(1..=2), at_work: true, ..due("03:00:00") };
    let of =
        |overlap: &str| turn(&schedule(&format!("cron: '0 * * * *', overlap: {overlap}")), &standing, at("02:30:00"));
    assert_eq!(of("allow").fire, hours(1..=2));
    assert_eq!(of("skip").left_out.len(), 2);
}

proptest! {
    /// Whatever the moments of looking, each time lands in exactly one place, once, and in order.
    #[test]
    fn every_time_lands_in_exactly_one_place(
        overlap in prop::sample::select(vec!["skip", "queue", "allow"]),
        catch_up in prop::sample::select(vec!["none", "last", "all"]),
        looks in prop::collection::vec((1_i64..400, any::<bool>()), 1..40),
    ) {
        let schedule = schedule(&format!("cron: '* * * * *', overlap: {overlap}, catch_up: {catch_up}"));
        let begin = at("00:00:30");
        let mut now = begin;
        let mut standing = Standing { next_at: schedule.next_after(begin), ..Standing::default() };
        let (mut settled, mut fired) = (Vec::new(), Vec::new());
        for (seconds, at_work) in looks {
            now += TimeDelta::seconds(seconds);
            standing.at_work = at_work;
            let turn = turn(&schedule, &standing, now);
            prop_assert!(overlap == "allow" || turn.fire.len() <= usize::from(!at_work));
            prop_assert!(overlap == "queue" || turn.queued.is_empty());
            settled.extend(turn.fire.iter().copied().chain(turn.left_out.iter().map(|(at, _)| *at)));
            fired.extend(turn.fire);
            prop_assert!(turn.next_at > Some(now));
            standing = Standing { next_at: turn.next_at, queued: turn.queued, at_work };
        }
        settled.extend(standing.queued);
        settled.sort();
        prop_assert_eq!(settled, schedule.upcoming(begin, 1_000).into_iter().filter(|at| *at <= now).collect::<Vec<_>>());
        prop_assert!(fired.is_sorted() && fired.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
