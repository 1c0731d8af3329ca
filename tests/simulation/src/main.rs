//! `drover-simulate`: runs seeds of the simulation, and explains the first that fails.
#![allow(clippy::print_stdout, reason = "a command line")]

use std::{process::ExitCode, time::Instant};

use drover_simulation::{Seeds, explain};

const USAGE: &str = "usage: simulate [--seeds N] [--from SEED] [--json]";
/// Explaining ends the run after so many failing seeds.
const ENOUGH: usize = 20;

struct Arguments {
    seeds: u64,
    from: u64,
    json: bool,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("simulate: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let seeds = Seeds { from: arguments.from, count: arguments.seeds, broken: None, enough: ENOUGH };
    let outcome = seeds.run();
    eprintln!("{} seeds, {} steps in {:.1} s", outcome.seeds, outcome.steps, began.elapsed().as_secs_f64());
    for (seed, violation) in &outcome.violations {
        eprintln!("seed {seed}: {violation}");
    }
    if let Some(failure) = outcome.violations.first().and_then(|(seed, _)| explain(*seed, None)) {
        eprintln!("\n{failure}");
    }
    let (seeds, steps, violations) = (outcome.seeds, outcome.steps, outcome.violations.len());
    if arguments.json {
        println!("{}", serde_json::json!({ "seeds": seeds, "steps": steps, "violations": violations }));
    } else {
        println!("seeds {seeds}  steps {steps}  violations {violations}");
    }
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { seeds: 2_000, from: 0, json: false };
    while let Some(name) = given.next() {
        let mut number = || {
            let text = given.next().ok_or_else(|| format!("{name} needs a number"))?;
            text.parse::<u64>().map_err(|_| format!("{name} needs a number, not {text:?}"))
        };
        match name.as_str() {
            "--seeds" => arguments.seeds = number()?,
            "--from" => arguments.from = number()?,
            "--json" => arguments.json = true,
            _ => return Err(format!("{name:?} is not known")),
        }
    }
    Ok(arguments)
}
