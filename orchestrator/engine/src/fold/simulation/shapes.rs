//! Workflows of any shape.

use serde_json::{Map, Value, json};

use super::tape::Tape;

/// Two random workflows, `root` and the `child` that it may run. Their sub-jobs are of the types `work` and `clean`; some wait for
/// a signal, some are repeated, some steps run nothing, some workflows find nothing to do. `depth`: how deep steps are nested.
#[must_use]
pub fn workflows(tape: &mut Tape, depth: usize) -> [String; 2] {
    let mut both = [workflow("root", tape, depth), workflow("child", tape, 0)];
    both.iter_mut().for_each(|workflow| waits_and_rounds(workflow, tape));
    both.iter_mut().for_each(|workflow| milestones_and_skips(workflow, tape));
    both.map(|workflow| workflow.to_string())
}

/// Lets some of the steps wait for a signal instead, and repeats some. What is left of the tape decides.
fn waits_and_rounds(workflow: &mut Value, tape: &mut Tape) {
    for part in ["steps", "cleanup"] {
        for step in workflow.get_mut(part).and_then(Value::as_array_mut).into_iter().flatten() {
            waits_and_rounds(step, tape);
            let Some(step) = step.as_object_mut().filter(|step| !step.contains_key("for_each")) else { continue };
            match tape.pick(6) {
                1 | 2 if part == "steps" && step.contains_key("job") => {
                    step.remove("job");
                    step.remove("retry");
                    step.insert("wait_for".into(), "signal".into());
                }
                3 | 4 => {
                    let repeat = repeat(&step["key"], tape);
                    step.insert("repeat".into(), repeat);
                }
                _ => {}
            }
        }
    }
}

/// Leaves some of the steps without work, lets some of the early ends skip the step around, and makes some batch sizes expressions.
/// What is left of the tape decides.
fn milestones_and_skips(workflow: &mut Value, tape: &mut Tape) {
    for step in workflow.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        milestones_and_skips(step, tape);
        let Some(step) = step.as_object_mut() else { continue };
        if let Some(entry) = step.get_mut("finish_if").and_then(|entries| entries.get_mut(0)) {
            entry["skip"] = tape.one_in(2).into();
        }
        if step.contains_key("for_each") {
            match tape.pick(6) {
                1 => step.insert("batch_size".into(), "${workflow.attempt}".into()),
                // It is none, until the workflow is tried again.
                2 => step.insert("batch_size".into(), "${workflow.attempt - 1}".into()),
                _ => None,
            };
        } else if step.contains_key("job") && tape.one_in(6) {
            step.retain(|key, _| ["key", "weight", "if", "finish_if"].contains(&key.as_str()));
        }
    }
}

fn repeat(key: &Value, tape: &mut Tape) -> Value {
    let key = key.as_str().unwrap_or_default();
    let until = match tape.pick(4) {
        0 => "${repeat.round >= 2}".to_owned(),
        1 => format!("${{steps.{key}.result.flag}}"),
        2 => format!("${{steps.{key}.status == 'completed' && repeat.round == repeat.max}}"),
        _ => "${false}".to_owned(),
    };
    let mut repeat = json!({ "until": until, "max": 1 + tape.pick(4) });
    if tape.one_in(2) {
        repeat["delay"] = "3s".into();
    }
    repeat
}

fn workflow(name: &str, tape: &mut Tape, depth: usize) -> Value {
    let mut workflow = json!({ "name": name, "steps": steps(tape, depth) });
    let cleanup: Vec<Value> = (0..tape.pick(3)).map(|index| cleanup_step(index, tape)).collect();
    workflow["cleanup"] = cleanup.into();
    if tape.one_in(2) {
        workflow["summary"] = json!({ "n": "${steps.s0.result.n}", "status": "${steps.s0.status}" });
    }
    workflow
}

fn cleanup_step(index: usize, tape: &mut Tape) -> Value {
    let mut step = json!({ "key": format!("c{index}"), "job": "clean" });
    if tape.one_in(3) {
        step["for_each"] = "${[1, 2, 3]}".into();
    }
    if tape.one_in(3) {
        step["retry"] = json!({ "attempts": 2 });
    }
    step
}

fn steps(tape: &mut Tape, depth: usize) -> Vec<Value> {
    (0..=tape.pick(3)).map(|index| Value::Object(step(index, tape, depth))).collect()
}

fn step(index: usize, tape: &mut Tape, depth: usize) -> Map<String, Value> {
    let mut step = Map::new();
    let mut set = |key: &str, value: Value| step.insert(key.to_owned(), value);
    set("key", format!("s{index}").into());
    // The first has a share of the bar, the others need not.
    let least = usize::from(index == 0);
    set("weight", (least + tape.pick(4)).into());
    match tape.pick(6) {
        4 if depth > 0 => set("steps", steps(tape, depth - 1).into()),
        5 if depth > 0 => set("workflow", tape.of(&["child", "missing"]).into()),
        _ => set("job", "work".into()),
    };
    match tape.pick(4) {
        1 => {
            let list: Vec<usize> = (0..tape.pick(7)).collect();
            fan_out(format!("${{{}}}", json!(list)), tape, &mut set);
        }
        2 if index > 0 => fan_out(format!("${{steps.s{}.result.list}}", index - 1), tape, &mut set),
        _ => {}
    }
    set("on_failure", ["continue", "finish", "fail"][tape.pick(3)].into());
    match tape.pick(6) {
        1 => set("finish_if", json!([{ "when": format!("${{steps.s{index}.result.flag}}"), "message": "early" }])),
        2 => {
            let when = format!("${{steps.s{index}.status == 'completed_with_errors'}}");
            set("finish_if", json!([{ "when": when, "message": "${steps.s0.status} early" }]))
        }
        _ => None,
    };
    match tape.pick(6) {
        1 if index > 0 => set("if", format!("${{steps.s{}.status == 'completed'}}", index - 1).into()),
        2 if index > 0 => set("if", format!("${{steps.s{}.result.flag}}", index - 1).into()),
        _ => None,
    };
    set("retry", json!({ "attempts": 1 + tape.pick(3), "initial": "2s" }));
    if tape.one_in(3) {
        set("timeout", "10s".into());
    }
    step
}

fn fan_out(items: String, tape: &mut Tape, set: &mut impl FnMut(&str, Value) -> Option<Value>) {
    set("for_each", items.into());
    set("batch_size", (1 + tape.pick(2)).into());
    set("max_parallel", (1 + tape.pick(3)).into());
    match tape.pick(4) {
        1 => set("tolerate", 0.into()),
        2 => set("tolerate", 1.into()),
        3 => set("tolerate", "50%".into()),
        _ => None,
    };
    if tape.one_in(3) {
        // One of the batches has parameters that cannot be had.
        set("params", json!({ "number": "${10 / (batch.index - 1)}" }));
    }
}
