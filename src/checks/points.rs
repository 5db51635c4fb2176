//! The state of each critical point, from the answers of its rules.

use super::Answer;
use super::finding::Finding;
use super::run::Answered;
use super::silence::Suppressed;
use crate::critical_point::CriticalPoint;
use crate::rules::Severity;
use schemars::JsonSchema;
use serde::Serialize;

/// State of a critical point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Looked at, and as it should be.
    Ok,
    /// Something smells, or is broken and suppressed.
    Warning,
    /// The boot breaks here.
    Violated,
    /// What would tell could not be read.
    CannotTell,
    /// Nothing to look at in a file alone.
    NotApplicable,
}

/// A critical point of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PointRow {
    /// The point.
    pub id: CriticalPoint,
    /// Its state.
    pub state: State,
    /// Rules that are violated here, consequences included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// All points in the order of the table.
pub(super) fn rows(
    answers: &[Answered<'_>],
    findings: &[Finding],
    suppressed: &[Suppressed],
) -> Vec<PointRow> {
    CriticalPoint::ALL
        .iter()
        .map(|point| row(*point, answers, findings, suppressed))
        .collect()
}

/// What could not be told hides what was fine, never what was wrong.
fn row(
    point: CriticalPoint,
    answers: &[Answered<'_>],
    findings: &[Finding],
    suppressed: &[Suppressed],
) -> PointRow {
    let here = || answers.iter().filter(|a| a.rule.critical_point == point);
    let own = || findings.iter().filter(|f| f.critical_point == point);
    let follows = || {
        findings
            .iter()
            .flat_map(|f| &f.consequences)
            .filter(|c| c.critical_point == point)
    };
    let mut rules: Vec<String> = own()
        .map(|f| f.rule.clone())
        .chain(follows().map(|c| c.rule.clone()))
        .collect();
    let silent = || {
        let all = suppressed.iter().map(|s| &s.finding);
        all.filter(|f| f.critical_point == point && f.severity > Severity::Pedantic)
    };
    rules.extend(silent().map(|f| f.rule.clone()));
    rules.dedup();
    let any = |test: fn(&Answer) -> bool| here().any(|a| test(&a.answer));
    let broken = own().any(|f| f.severity == Severity::Error) || follows().next().is_some();
    let state = if broken {
        State::Violated
    } else if own().any(|f| f.severity == Severity::Warning) || silent().next().is_some() {
        State::Warning
    } else if any(|a| matches!(a, Answer::CannotTell { .. })) {
        State::CannotTell
    } else if any(|a| matches!(a, Answer::Satisfied | Answer::Violated(_))) {
        State::Ok
    } else {
        State::NotApplicable
    };
    PointRow {
        id: point,
        state,
        rules,
    }
}
