//! Which of the changes most likely makes the bad image fail.

use super::Pair;
use super::change::{Change, Weight};
use super::swap;
use crate::checks::run::Finding;
use crate::checks::{Confidence, Evidence};
use crate::inspect::source::Location;
use crate::rules::{Rule, Severity};
use crate::stage::Stage;
use schemars::JsonSchema;
use serde::Serialize;

/// How the changes and the finding hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Explanation {
    /// Taking this part from the good image makes the finding go away.
    Decided,
    /// The good image does not have the finding, and no single part decides.
    Several,
    /// Both images have the defect, and it depends on timing: the good image won its race.
    Race,
    /// Both images have the defect, and it does not depend on timing: it does not explain the difference.
    InBoth,
    /// No rule finds anything; the changes of the chain are candidates.
    Unexplained,
}

/// The most likely cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cause {
    /// How the changes lead to it.
    pub explanation: Explanation,
    /// How sure it is.
    pub confidence: Confidence,
    /// Rule that the bad image violates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Stage at which the boot fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// What is wrong.
    pub message: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Parts of the image that decide, each alone.
    pub parts: Vec<String>,
    /// Indices in `changes` of the differences that bear on it.
    pub changes: Vec<usize>,
    /// Why the bad image fails, from the rule.
    pub evidence: Vec<Evidence>,
    /// What to change in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What to change in ISAR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix_isar: Option<String>,
}

pub(super) fn find(
    pair: &Pair<'_>,
    changes: &[Change],
    rules: &[Rule],
    bad_fails: bool,
) -> Option<Cause> {
    let in_good = |f: &Finding| pair.good_findings.iter().any(|g| g.rule == f.rule);
    let errors = || {
        let findings = pair.bad_findings.iter();
        findings.filter(|f| f.severity == Severity::Error)
    };
    // What stops the boot first, stops it.
    let new = errors().filter(|f| !in_good(f)).min_by_key(|f| f.stage);
    if let Some(finding) = new {
        return Some(decided(pair, changes, rules, finding));
    }
    if let Some(finding) = errors().min_by_key(|f| (f.confidence == Confidence::Certain, f.stage)) {
        return Some(in_both(changes, finding));
    }
    let new_warning = pair.bad_findings.iter().find(|f| !in_good(f));
    match new_warning {
        Some(finding) if bad_fails => {
            let mut cause = decided(pair, changes, rules, finding);
            cause.confidence = Confidence::Possible;
            Some(cause)
        }
        _ => bad_fails.then(|| unexplained(changes)),
    }
}

fn of_finding(finding: &Finding, explanation: Explanation) -> Cause {
    Cause {
        explanation,
        confidence: finding.confidence,
        rule: Some(finding.rule.clone()),
        stage: Some(finding.stage),
        message: finding.message.clone(),
        location: Some(finding.location.clone()),
        parts: Vec::new(),
        changes: Vec::new(),
        evidence: finding.evidence.clone(),
        fix: Some(finding.fix.clone()),
        fix_isar: Some(finding.fix_isar.clone()),
    }
}

fn decided(pair: &Pair<'_>, changes: &[Change], rules: &[Rule], finding: &Finding) -> Cause {
    let parts = swap::deciding(pair.bad, pair.good, rules, &finding.rule);
    let mut cause = of_finding(finding, Explanation::Decided);
    if parts.is_empty() {
        cause.explanation = Explanation::Several;
    }
    cause.parts = parts.iter().map(|p| p.name.to_owned()).collect();
    let of_parts = |c: &Change| {
        parts
            .iter()
            .any(|p| p.subjects.contains(&c.subject.as_str()))
    };
    let named = indices(changes, |c| {
        (parts.is_empty() || of_parts(c)) && speaks_of(finding, c)
    });
    cause.changes = match named.is_empty() {
        true => indices(changes, |c| c.weight == Weight::Chain && of_parts(c)),
        false => named,
    };
    cause
}

/// Subjects that change how long things take before the unit's turn comes.
const TIMING: &[&str] = &[
    "loader",
    "command line",
    "/dev/console",
    "kernel",
    "kernel option",
    "initrd",
    "module",
    "systemd",
];

fn in_both(changes: &[Change], finding: &Finding) -> Cause {
    if finding.confidence == Confidence::Certain {
        return of_finding(finding, Explanation::InBoth);
    }
    let mut cause = of_finding(finding, Explanation::Race);
    cause.changes = indices(changes, |c| {
        c.weight == Weight::Chain && (TIMING.contains(&c.subject.as_str()) || speaks_of(finding, c))
    });
    cause
}

fn unexplained(changes: &[Change]) -> Cause {
    Cause {
        explanation: Explanation::Unexplained,
        confidence: Confidence::Possible,
        rule: None,
        stage: None,
        message: "no rule finds a fault in the bad image".into(),
        location: None,
        parts: Vec::new(),
        changes: indices(changes, |c| c.weight == Weight::Chain),
        evidence: Vec::new(),
        fix: None,
        fix_isar: None,
    }
}

fn indices(changes: &[Change], test: impl Fn(&Change) -> bool) -> Vec<usize> {
    let numbered = changes.iter().enumerate();
    numbered
        .filter(|(_, c)| c.weight != Weight::Noise && test(c))
        .map(|(i, _)| i)
        .collect()
}

/// The finding or its evidence names the thing that changed, or stands in the same file.
fn speaks_of(finding: &Finding, change: &Change) -> bool {
    let texts = || {
        let evidence = finding.evidence.iter().map(|e| e.text.as_str());
        std::iter::once(finding.message.as_str()).chain(evidence)
    };
    let places = || {
        let evidence = finding.evidence.iter().filter_map(|e| e.location.as_ref());
        std::iter::once(&finding.location).chain(evidence)
    };
    let named = change
        .name
        .as_deref()
        .is_some_and(|name| name.len() > 3 && texts().any(|t| t.contains(name)));
    let same_file = change.location.as_ref().is_some_and(|at| {
        at.path.is_some() && places().any(|p| p.partition == at.partition && p.path == at.path)
    });
    named || same_file
}
