use super::*;
use crate::checks::run;
use crate::checks::testing;
use crate::rules::builtin;
use crate::stage::Stage;

fn compared(good: &Facts, bad: &Facts, bad_fails: bool) -> Comparison {
    let rules = builtin::rules();
    let good_findings = run::run(good, &rules, false).findings;
    let bad_findings = run::run(bad, &rules, false).findings;
    let pair = Pair {
        good,
        good_findings: &good_findings,
        bad,
        bad_findings: &bad_findings,
    };
    compare(&pair, &rules, bad_fails)
}

fn subjects(comparison: &Comparison) -> Vec<&str> {
    let changes = comparison.changes.iter();
    changes.map(|c| c.subject.as_str()).collect()
}

#[test]
fn an_image_and_itself_do_not_differ() {
    for facts in [testing::healthy(), testing::race()] {
        let comparison = compared(&facts, &facts, false);
        assert_eq!(comparison.changes, []);
        assert!(!comparison.matters());
    }
}

#[test]
fn the_unit_decides_over_the_race() {
    let comparison = compared(&testing::healthy(), &testing::race(), false);
    let cause = comparison.cause.expect("a cause");
    assert_eq!(cause.explanation, Explanation::Decided);
    assert_eq!(cause.rule.as_deref(), Some("backdoor-device-not-pulled-in"));
    assert!(cause.parts.contains(&"systemd's units and settings".into()));
    assert!(!cause.parts.contains(&"the command line".into()));
    assert!(
        cause
            .changes
            .iter()
            .all(|i| comparison.changes[*i].stage >= Stage::Systemd)
    );
}

#[test]
fn a_race_that_both_have_is_called_one() {
    let (good, mut bad) = (testing::race(), testing::race());
    testing::cmdline(&mut bad, "root=PARTUUID=x quiet loglevel=1");
    let cause = compared(&good, &bad, false).cause.expect("a cause");
    assert_eq!(cause.explanation, Explanation::Race);
    assert_ne!(cause.confidence, crate::checks::Confidence::Certain);
    assert!(!cause.changes.is_empty());
}

#[test]
fn words_of_the_command_line_are_counted() {
    let (mut good, mut bad) = (testing::healthy(), testing::healthy());
    testing::cmdline(&mut good, "rootwait rootwait console=ttyS0 console=tty0");
    testing::cmdline(&mut bad, "rootwait console=ttyS0 quiet");
    let comparison = compared(&good, &bad, true);
    let line = comparison
        .changes
        .iter()
        .find(|c| c.subject == "command line")
        .expect("a change");
    assert_eq!(line.good.as_deref(), Some("rootwait console=tty0"));
    assert_eq!(line.bad.as_deref(), Some("quiet"));
    assert!(subjects(&comparison).contains(&"/dev/console"));
}

#[test]
fn nothing_is_blamed_when_nothing_is_known_to_fail() {
    let (good, mut bad) = (testing::healthy(), testing::healthy());
    testing::known(&mut bad.kernel).release = Some("6.12.1-amd64".into());
    assert_eq!(compared(&good, &bad, false).cause, None);
    let cause = compared(&good, &bad, true).cause.expect("a cause");
    assert_eq!(cause.explanation, Explanation::Unexplained);
}

#[test]
fn identifiers_are_noise() {
    let (good, mut bad) = (testing::healthy(), testing::healthy());
    testing::known(&mut bad.rootfs).machine_id =
        crate::inspect::error::Fact::Known("fedcba9876543210fedcba9876543210".into());
    testing::known(&mut bad.disk).partitions[1].content.uuid = Some("abcd-ef01".into());
    let comparison = compared(&good, &bad, false);
    assert_eq!(comparison.changes.len(), 2);
    assert!(!comparison.matters());
}
