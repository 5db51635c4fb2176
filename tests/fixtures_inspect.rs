//! Every fixture: its own rule is reported, and no other error. Healthy images get no finding at all.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print what they saw"
)]

mod common;

use common::Fixture;
use isar_doctor::checks::run::{Finding, Judgement, run};
use isar_doctor::inspect::{Options, inspect};
use isar_doctor::rules::{Severity, builtin};

fn judge(fixture: &Fixture) -> Judgement {
    let image = common::image(&fixture.name);
    match inspect(&image, &Options::default()) {
        Ok(facts) => run(&facts, &builtin::rules(), false),
        Err(error) => panic!("{}: {error}", fixture.name),
    }
}

/// What is wrong with the answer for one fixture.
fn complaints(fixture: &Fixture, judgement: &Judgement) -> Vec<String> {
    let expect = &fixture.expect;
    let mut out = Vec::new();
    for wanted in &expect.inspect {
        if !judgement.findings.iter().any(|f| f.rule == *wanted) {
            out.push(format!("{wanted} is not reported"));
        }
    }
    let allowed = |f: &Finding| expect.inspect.contains(&f.rule) || expect.also.contains(&f.rule);
    for finding in judgement.findings.iter().filter(|f| !allowed(f)) {
        // A warning beside an error is tolerated; a healthy image has nothing at all.
        if finding.severity == Severity::Error || expect.inspect.is_empty() {
            out.push(format!(
                "{} {} at {}: {}",
                finding.severity.id(),
                finding.rule,
                finding.location,
                finding.message
            ));
        }
    }
    // What should have been read must have been.
    if expect.inspect_exit.is_none() && expect.inspect.is_empty() {
        for open in &judgement.untold {
            out.push(format!("{} cannot be told: {}", open.rule, open.reason));
        }
    }
    out
}

#[test]
fn every_fixture_is_judged_as_declared() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for fixture in common::fixtures() {
        let judgement = judge(fixture);
        seen += 1;
        for complaint in complaints(fixture, &judgement) {
            wrong.push(format!("{}: {complaint}", fixture.name));
        }
    }
    println!("{seen} fixtures, {} complaints", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
