//! Fixtures: the own rule of each is reported, and no other error. Healthy images get no finding at all.
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
use std::sync::Mutex;

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

/// Judges these fixtures. An image that had to be built for it alone is removed again: all of them take forty gigabytes.
fn all_as_declared<'a>(fixtures: impl Iterator<Item = &'a Fixture>) {
    // One test must not remove what the other reads.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for fixture in fixtures {
        let judgement = judge(fixture);
        seen += 1;
        for complaint in complaints(fixture, &judgement) {
            wrong.push(format!("{}: {complaint}", fixture.name));
        }
        if !fixture.built {
            std::fs::remove_file(&fixture.image).unwrap_or_else(|e| {
                // Two fixtures may share an image.
                assert_eq!(e.kind(), std::io::ErrorKind::NotFound, "{}", fixture.name);
            });
        }
    }
    println!("{seen} fixtures, {} complaints", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One image for each critical point that the image decides, and healthy ones of several makes.
const SOME: &[&str] = &[
    "race",
    "u2-condition-hvc9",
    "u4-missing-device",
    "u5-package-missing",
    "u7-not-enabled",
    "s2-script-not-executable",
    "s6-redirects-elsewhere",
    "d1-module-removed",
    "g1-getty-unmasked",
    "k6-console-hvc0",
    "f1-loader-missing",
    "l2-kernel-missing",
    "l7-grub-prefix",
    "r1-root-partuuid",
    "i3-default-rescue",
    "healthy",
    "healthy-trixie",
    "healthy-grub",
    "healthy-uki",
    "pulled",
];

#[test]
fn a_fixture_of_each_kind_is_judged_as_declared() {
    let some: Vec<_> = SOME.iter().map(|name| common::fixture(name)).collect();
    all_as_declared(some.into_iter());
}

#[test]
#[ignore = "builds every image: make test-full"]
fn every_fixture_is_judged_as_declared() {
    all_as_declared(common::fixtures().iter());
}
