//! `drover-fuzz`: new inputs for as long as it is told to; what it finds goes to the corpus.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line")]

use std::{
    fs,
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use drover_fuzz::{Finding, Seed, TARGETS, Target, corpus, corpus_folder, run};
use serde_json::json;

/// Inputs between two looks at the clock.
const ROUND: u32 = 500;

/// Gives arbitrary and mutated bytes to everything that reads what others wrote.
#[derive(Parser)]
struct Arguments {
    /// For how long, over all targets.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only this target.
    #[arg(long, value_parser = target)]
    target: Option<&'static Target>,
    /// Begin with this seed, to see the same again.
    #[arg(long)]
    seed: Option<u64>,
    /// End with one line of JSON: {seed, inputs, findings}.
    #[arg(long)]
    json: bool,
}

fn target(name: &str) -> Result<&'static Target, String> {
    let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    TARGETS.iter().find(|target| target.name == name).ok_or_else(|| format!("there is {}", known.join(", ")))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = arguments.seed.unwrap_or(now.as_secs());
    // A finding is told in full; the panics on the way to the smallest would bury it.
    std::panic::set_hook(Box::new(|_| {}));
    let targets: Vec<&Target> = arguments.target.map_or_else(|| TARGETS.iter().collect(), |target| vec![target]);
    let (mut inputs, mut findings) = (0_u64, Vec::new());
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut seed = first;
    while findings.is_empty() && (seed == first || Instant::now() < until) {
        for target in &targets {
            let known = match corpus(target.name) {
                Ok(known) => known.into_iter().map(|(_, bytes)| bytes).collect(),
                Err(error) => {
                    eprintln!("fuzz: {error}");
                    return ExitCode::from(2);
                }
            };
            inputs += u64::from(ROUND);
            if let Err(finding) = run(target, known, ROUND, Seed(seed)) {
                findings.push(tell(target, &finding, seed));
            }
        }
        seed += 1;
        eprint!("\r{inputs} inputs, seed {seed} ");
    }
    eprintln!();
    if arguments.json {
        println!("{}", json!({ "seed": first, "inputs": inputs, "findings": findings }));
    } else {
        println!("seed {first}  inputs {inputs}  findings {}", findings.len());
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Keeps the input, so that every later test run meets it, and says where.
fn tell(target: &Target, finding: &Finding, seed: u64) -> String {
    let file = corpus_folder(target.name).join(format!("found-{seed}"));
    eprintln!("\n{}: {}\nthe promise: {}", target.name, finding.reason, target.promise);
    eprintln!("input: {:?}", String::from_utf8_lossy(&finding.input));
    match fs::write(&file, &finding.input) {
        Ok(()) => eprintln!("kept in {}", file.display()),
        Err(error) => eprintln!("it cannot be kept in {}: {error}", file.display()),
    }
    format!("{}: {}", target.name, finding.reason)
}
