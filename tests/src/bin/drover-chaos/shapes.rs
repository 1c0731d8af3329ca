//! What is submitted: workflows of random shapes, and jobs on their own.

use drover_engine::fold::simulation::{shapes, tape::Tape};
use drover_simulation::Rng;
use serde_json::{Map, Value, json};

/// Random workflows of a run; each may run a child workflow of its own.
const RANDOM: usize = 24;
/// How long a step may take: mostly enough, sometimes not.
const TIMEOUTS: [&str; 4] = ["400ms", "2s", "5s", "10s"];
/// What a retry waits for at first.
const WAITS: [&str; 3] = ["50ms", "300ms", "1500ms"];

/// The definitions of a run, children before those that run them, and what can be submitted.
pub(crate) struct Catalogue {
    pub(crate) definitions: Vec<Value>,
    /// The random ones.
    workflows: Vec<String>,
    /// The larger ones.
    larger: Vec<String>,
}

/// What is submitted, and what then befalls it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    /// The idempotency key, and the label `chaos`.
    pub(crate) key: String,
    pub(crate) job_type: String,
    pub(crate) way: Way,
    /// Submitted for later, by this many milliseconds.
    pub(crate) later_ms: Option<u64>,
    /// Sent once more when it is accepted.
    pub(crate) twice: bool,
    pub(crate) destiny: Destiny,
}

/// By which way it is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Http,
    Amqp,
}

/// What a user does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destiny {
    /// It is left alone.
    Own,
    /// It is cancelled this long after it was accepted.
    Cancel { after_ms: u64, now: bool },
    /// When it ended otherwise than completed, it is retried.
    Retry { from_start: bool },
    /// First the one, then the other.
    CancelAndRetry { after_ms: u64 },
    /// It is paused, and resumed this long after that.
    Pause { after_ms: u64, for_ms: u64 },
}

impl Catalogue {
    /// The catalogue of a seed.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let mut catalogue = Self { definitions: Vec::new(), workflows: Vec::new(), larger: Vec::new() };
        for number in 0..RANDOM {
            let numbers: Vec<u16> =
                (0..rng.between(6, 70)).map(|_| u16::try_from(rng.below(1 << 16)).unwrap_or(0)).collect();
            let [root, child] = shapes::workflows(&mut Tape::from(numbers), number % 3);
            for (name, text) in [("child", child), ("root", root)] {
                let mut definition: Value = serde_json::from_str(&text).unwrap_or_default();
                own(&mut definition, number, rng);
                definition["name"] = format!("{name}_{number}").into();
                catalogue.definitions.push(definition);
            }
            catalogue.workflows.push(format!("root_{number}"));
        }
        for definition in [chain(rng), wide(rng), nested(rng), listed()] {
            catalogue.larger.push(definition["name"].as_str().unwrap_or_default().to_owned());
            catalogue.definitions.push(definition);
        }
        catalogue
    }

    /// The next submission.
    pub(crate) fn order(&self, number: u64, rng: &mut Rng) -> Order {
        let workflows = if rng.one_in(3) { &self.larger } else { &self.workflows };
        let workflow = usize::try_from(rng.number() % 1_000).unwrap_or(0) % workflows.len().max(1);
        let job_type = if rng.one_in(6) { Some("work".to_owned()) } else { workflows.get(workflow).cloned() };
        let after_ms = rng.below(4_000);
        Order {
            key: format!("order-{number}"),
            job_type: job_type.unwrap_or_default(),
            way: if rng.one_in(3) { Way::Amqp } else { Way::Http },
            later_ms: rng.one_in(12).then(|| rng.below(3_000)),
            twice: rng.one_in(10),
            destiny: match rng.below(12) {
                0 | 1 => Destiny::Cancel { after_ms, now: false },
                2 => Destiny::Cancel { after_ms, now: true },
                3 | 4 => Destiny::Retry { from_start: rng.one_in(3) },
                5 => Destiny::CancelAndRetry { after_ms },
                6 => Destiny::Pause { after_ms, for_ms: rng.below(5_000) },
                _ => Destiny::Own,
            },
        }
    }
}

/// Gives a random workflow its own child, and times that suit the real world. What would wait for a signal is work: its users are in
/// the simulation.
fn own(value: &mut Value, number: usize, rng: &mut Rng) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| own(value, number, rng)),
        Value::Object(fields) => {
            if fields.get("workflow").is_some_and(|child| child == "child") {
                fields.insert("workflow".into(), format!("child_{number}").into());
            }
            if fields.remove("wait_for").is_some() {
                fields.insert("job".into(), "work".into());
            }
            if let Some(delay) = fields.get_mut("repeat").and_then(|repeat| repeat.get_mut("delay")) {
                *delay = rng.of(&WAITS).into();
            }
            if fields.contains_key("timeout") {
                fields.insert("timeout".into(), rng.of(&TIMEOUTS).into());
            }
            if let Some(retry) = fields.get_mut("retry").and_then(Value::as_object_mut) {
                retry.insert("initial".into(), rng.of(&WAITS).into());
                retry.insert("max".into(), "2s".into());
            }
            fields.values_mut().for_each(|value| own(value, number, rng));
        }
        _ => {}
    }
}

fn step(key: &str, more: Value) -> Value {
    let mut step = Map::from_iter([("key".to_owned(), key.into()), ("job".to_owned(), "work".into())]);
    step.extend(more.as_object().cloned().unwrap_or_default());
    if step.contains_key("steps") {
        step.remove("job");
    }
    Value::Object(step)
}

fn retried(attempts: u64, wait: Option<&str>) -> Value {
    json!({ "attempts": attempts, "initial": wait, "max": "2s" })
}

fn chain(rng: &mut Rng) -> Value {
    let steps: Vec<Value> = (0..rng.between(6, 10))
        .map(|index| step(&format!("s{index}"), json!({ "weight": 1 + index, "retry": retried(3, rng.of(&WAITS)) })))
        .collect();
    json!({ "name": "chain", "steps": steps, "cleanup": [{ "key": "c0", "job": "clean" }] })
}

fn wide(rng: &mut Rng) -> Value {
    let items: Vec<u64> = (0..rng.between(30, 70)).collect();
    let more = json!({
        "for_each": format!("${{{}}}", json!(items)), "max_parallel": rng.between(4, 12), "tolerate": "30%",
        "retry": retried(2, rng.of(&WAITS)),
    });
    let last = step("last", json!({ "if": "${steps.wide.totals.n > 10}", "retry": retried(2, rng.of(&WAITS)) }));
    json!({
        "name": "wide", "steps": [step("wide", more), last], "summary": { "n": "${steps.wide.totals.n}" },
        "cleanup": [{ "key": "c0", "job": "clean", "for_each": "${[1, 2]}" }],
    })
}

fn nested(rng: &mut Rng) -> Value {
    let inner = [step("first", json!({ "retry": retried(2, rng.of(&WAITS)) })), step("second", json!({}))];
    let more = json!({
        "for_each": "${[1, 2, 3, 4, 5, 6, 7, 8]}", "max_parallel": rng.between(2, 4), "steps": inner,
        "retry": retried(2, rng.of(&WAITS)),
    });
    json!({ "name": "nested", "steps": [step("outer", more), step("after", json!({}))] })
}

fn listed() -> Value {
    let more = json!({
        "for_each": "${steps.list.result.list}", "batch_size": 2, "max_parallel": 3, "tolerate": 2, "on_failure": "fail",
    });
    json!({
        "name": "listed", "steps": [step("list", json!({ "retry": retried(4, Some("50ms")) })), step("use", more)],
        "cleanup": [{ "key": "c0", "job": "clean", "retry": { "attempts": 2 } }],
    })
}

#[cfg(test)]
mod tests {
    use drover_engine::definition::Definition;

    use super::*;

    #[test]
    fn every_definition_is_valid_and_a_seed_draws_the_same_again() {
        for seed in 0..20 {
            let catalogue = Catalogue::draw(&mut Rng::new(seed));
            for definition in &catalogue.definitions {
                let text = definition.to_string();
                if let Err(error) = Definition::parse("chaos", &text) {
                    panic!("seed {seed}: {error}\n{text}");
                }
            }
            assert_eq!(catalogue.definitions, Catalogue::draw(&mut Rng::new(seed)).definitions);
        }
    }

    #[test]
    fn orders_are_of_every_kind() {
        let mut rng = Rng::new(1);
        let catalogue = Catalogue::draw(&mut rng);
        let orders: Vec<Order> = (0..300).map(|number| catalogue.order(number, &mut rng)).collect();
        for way in [Way::Http, Way::Amqp] {
            assert!(orders.iter().any(|order| order.way == way && order.job_type == "work"));
        }
        for now in [false, true] {
            let cancel = |destiny| matches!(destiny, Destiny::Cancel { now: found, .. } if found == now);
            assert!(orders.iter().any(|order| cancel(order.destiny)));
        }
        assert!(orders.iter().any(|order| matches!(order.destiny, Destiny::Retry { .. })));
        assert!(orders.iter().any(|order| matches!(order.destiny, Destiny::Pause { .. })));
        assert!(orders.iter().any(|order| order.later_ms.is_some() && order.twice));
    }
}
