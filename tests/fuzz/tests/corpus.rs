//! Every known input, and a few thousand made of them, always the same.

use drover_fuzz::{Seed, TARGETS, Target, corpus, run};

const CASES: u32 = 3_000;

fn holds(name: &str) {
    let target: &Target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let known = corpus(name).expect("a corpus");
    for (file, input) in &known {
        eprintln!("{file}");
        (target.check)(input);
    }
    let known = known.into_iter().map(|(_, input)| input).collect();
    if let Err(finding) = run(target, known, CASES, Seed(1)) {
        let input = String::from_utf8_lossy(&finding.input).into_owned();
        panic!("{}\nthe promise: {}\ninput: {input:?}\nkeep it in the corpus", finding.reason, target.promise);
    }
}

#[test]
fn messages() {
    holds("message");
}

#[test]
fn definitions() {
    holds("definition");
}

#[test]
fn expressions() {
    holds("expression");
}

#[test]
fn names() {
    holds("name");
}

#[test]
fn files() {
    holds("file");
}
