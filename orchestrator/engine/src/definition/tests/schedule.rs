use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::json;

use crate::definition::{CatchUp, Definition, Overlap, Schedule};

fn definition(schedule: &str) -> Definition {
    let text = format!(
        "name: w\ninput: {{ type: object, properties: {{ day: {{ type: string, default: today }} }} }}\n\
         steps: [{{key: a, job: j}}]\nschedule: {schedule}\n"
    );
    Definition::parse("test.yaml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn schedule(cron: &str, zone: &str) -> Schedule {
    definition(&format!("{{ cron: '{cron}', time_zone: {zone} }}")).schedule.unwrap()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The next times, in the schedule's own zone.
fn times(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let shown = |time: &DateTime<Utc>| time.with_timezone(&schedule.time_zone).format("%d %H:%M:%S %z").to_string();
    schedule.upcoming(time(after), count).iter().map(shown).collect()
}

#[test]
fn a_schedule_is_read_as_it_is_meant() {
    let plain = definition("{ cron: '0 3 * * *' }").schedule.unwrap();
    assert_eq!(plain.cron, "0 3 * * *");
    assert_eq!((plain.time_zone.name(), plain.overlap, plain.catch_up), ("UTC", Overlap::Skip, CatchUp::Last));
    assert_eq!((plain.enabled, &plain.input), (true, &json!({})));
    let full = definition(
        "{ cron: '*/10 8-17 * * MON-FRI', time_zone: Europe/Berlin, overlap: queue, catch_up: all, enabled: false, \
         input: { day: monday } }",
    );
    let full = full.schedule.unwrap();
    assert_eq!((full.time_zone.name(), full.overlap, full.catch_up), ("Europe/Berlin", Overlap::Queue, CatchUp::All));
    assert_eq!((full.enabled, &full.input), (false, &json!({ "day": "monday" })));
}

#[test]
fn a_definition_with_a_schedule_is_stored_and_read_back() {
    let definition = definition("{ cron: '0 3 * * *', input: { day: x } }");
    assert_eq!(Definition::from_json("database", definition.to_json()).unwrap(), definition);
}

#[test]
fn a_cron_text_has_words() {
    let words = ["0 3 * * *", "*/15 * * * *", "0 9 * * MON-FRI", "30 2 1 * *", "*/5 * * * * *", "@hourly"]
        .map(|cron| format!("{cron}: {}", schedule(cron, "UTC").words()));
    insta::assert_snapshot!(words.join("\n"));
}

#[test]
fn both_fields_for_days_mean_either_and_seconds_may_come_first() {
    let either = schedule("0 0 13 * FRI", "UTC");
    assert_eq!(
        times(&either, "2026-02-10T00:00:00Z", 3),
        ["13 00:00:00 +0000", "20 00:00:00 +0000", "27 00:00:00 +0000"]
    );
    let seconds = schedule("30 0 3 * * *", "UTC");
    assert_eq!(times(&seconds, "2026-02-10T03:00:30Z", 1), ["11 03:00:30 +0000"], "the time itself is over");
    assert_eq!(times(&schedule("0 0 29 2 *", "UTC"), "2026-01-01T00:00:00Z", 1), ["29 00:00:00 +0000"]);
}

/// Berlin, 2026-03-29: after 01:59:59 comes 03:00:00.
#[test]
fn when_clocks_go_forward_a_time_that_is_left_out_is_taken_right_after_the_gap() {
    let berlin = |cron| times(&schedule(cron, "Europe/Berlin"), "2026-03-28T12:00:00Z", 3);
    assert_eq!(berlin("30 2 * * *"), ["29 03:00:00 +0200", "30 02:30:00 +0200", "31 02:30:00 +0200"]);
    assert_eq!(berlin("0 3 * * *"), ["29 03:00:00 +0200", "30 03:00:00 +0200", "31 03:00:00 +0200"]);
    // What recurs has its next time soon enough.
    let half_hours = times(&schedule("*/30 * * * *", "Europe/Berlin"), "2026-03-29T00:20:00Z", 3);
    assert_eq!(half_hours, ["29 01:30:00 +0100", "29 03:00:00 +0200", "29 03:30:00 +0200"]);
}

/// Berlin, 2026-10-25: after 02:59:59 +02:00 comes 02:00:00 +01:00.
#[test]
fn when_clocks_go_back_a_time_that_comes_twice_is_taken_once() {
    let berlin = |cron, after, count| times(&schedule(cron, "Europe/Berlin"), after, count);
    let once = ["25 02:30:00 +0200", "26 02:30:00 +0100"];
    assert_eq!(berlin("30 2 * * *", "2026-10-24T12:00:00Z", 2), once);
    assert_eq!(berlin("30 2 * * *", "2026-10-25T00:45:00Z", 1), once[1..], "also for whoever looks between the two");
    assert_eq!(berlin("30 2 * * *", "2026-10-25T01:10:00Z", 1), once[1..]);
    // What recurs goes on through the hour that comes twice.
    let hours = ["25 01:00:00 +0200", "25 02:00:00 +0200", "25 02:00:00 +0100", "25 03:00:00 +0100"];
    assert_eq!(berlin("0 * * * *", "2026-10-24T22:30:00Z", 4), hours);
}

#[test]
fn the_last_times_are_found_looking_back() {
    let hourly = schedule("0 * * * *", "UTC");
    let last = |from, until, most| hourly.last_between(time(from), time(until), most);
    let hour = |hour: u32| time(&format!("2026-03-10T{hour:02}:00:00Z"));
    assert_eq!(last("2026-03-10T01:00:00Z", "2026-03-10T03:00:00Z", 10), [hour(1), hour(2), hour(3)]);
    assert_eq!(last("2026-03-10T01:00:00.5Z", "2026-03-10T02:59:59.9Z", 10), [hour(2)]);
    assert_eq!(last("2026-03-01T00:00:00Z", "2026-03-10T03:00:00.1Z", 2), [hour(2), hour(3)]);
    assert!(last("2026-03-10T03:00:01Z", "2026-03-10T03:00:02Z", 2).is_empty());
}

#[test]
fn a_text_without_any_time_is_refused_without_a_long_search() {
    let begun = std::time::Instant::now();
    let text = "name: w\nsteps: [{key: a, job: j}]\nschedule: { cron: '0 0 31 2,4,6 *' }\n";
    let error = Definition::parse("w.yaml", text).unwrap_err().to_string();
    assert_eq!(error, "w.yaml:3:19: schedule.cron: \"0 0 31 2,4,6 *\" has no time at all: there is no such day");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Looking back finds what looking ahead goes through, also where clocks change.
    #[test]
    fn looking_back_and_ahead_find_the_same_times(
        cron in prop::sample::select(vec![
            "30 2 * * *", "0 3 * * *", "*/30 * * * *", "15 2 * * SUN", "0 1,2,3 * * *", "59 59 1 * * *", "0 0 1 * *", "*/20 30 2 * * *",
        ]),
        zone in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago", "Africa/Casablanca",
        ]),
        // About the changes of 2026, to the second.
        day in prop::sample::select(vec!["2026-03-08", "2026-03-29", "2026-04-05", "2026-09-06", "2026-10-04", "2026-10-25", "2026-11-01"]),
        offset in -100_000_i64..100_000,
        length in 0_i64..200_000,
    ) {
        let schedule = schedule(cron, zone);
        let from = time(&format!("{day}T00:00:00Z")) + TimeDelta::seconds(offset);
        let until = from + TimeDelta::seconds(length);
        let ahead: Vec<_> = std::iter::successors(schedule.next_after(from), |at| schedule.next_after(*at)).take_while(|at| *at <= until).collect();
        prop_assert!(ahead.windows(2).all(|pair| pair[0] < pair[1]));
        let back = schedule.last_between(from + TimeDelta::seconds(1), until, usize::MAX);
        prop_assert_eq!(back, ahead);
    }

    #[test]
    fn no_cron_text_panics(text in "[0-9*/,LW#?@a-zA-Z +-]{0,30}") {
        let _ = Definition::parse("t", &format!("name: w\nsteps: [{{key: a, job: j}}]\nschedule: {{ cron: '{text}' }}\n"));
    }
}
