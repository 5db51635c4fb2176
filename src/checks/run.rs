//! Runs rules over facts and gives findings in a stable order.

use super::{Answer, Context, Violation};
use crate::critical_point::CriticalPoint;
use crate::inspect::facts::Facts;
use crate::inspect::source::Location;
use crate::rules::{Rule, Severity, fill_text};
use crate::stage::Stage;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// Lines of the image around the place, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Snippet {
    /// 1-based number of the first line in `text`.
    pub first_line: u32,
    /// The lines.
    pub text: String,
    /// 1-based number of the line that is meant.
    pub line: u32,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Rule id.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// Stage at which the boot fails.
    pub stage: Stage,
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub location: Location,
    /// The lines there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
    /// Facts that lead to it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What to change in the image.
    pub fix: String,
    /// What to change in the ISAR recipe, WKS or kas file.
    pub fix_isar: String,
    /// ISAR itself writes it so.
    pub generated_by_isar: bool,
}

/// A rule that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Untold {
    /// Rule id.
    pub rule: String,
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// Why.
    pub reason: String,
    /// Where.
    pub location: Location,
}

/// The answers of all rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Judgement {
    /// Findings by stage, severity, rule and place.
    pub findings: Vec<Finding>,
    /// Rules that could not be judged.
    pub untold: Vec<Untold>,
    /// Critical points about which at least one rule was satisfied.
    pub satisfied: BTreeSet<CriticalPoint>,
}

/// Lines shown before and after the line that is meant.
const AROUND: u32 = 2;

/// Judges facts by rules. Pedantic findings are kept only when asked for.
pub fn run(facts: &Facts, rules: &[Rule], pedantic: bool) -> Judgement {
    let cx = Context {
        facts,
        profile: &facts.profile,
    };
    let profile = &facts.profile;
    let names = [
        ("unit", cx.unit_name()),
        ("device", profile.device.as_str()),
        ("module", profile.module.as_str()),
        ("console", profile.console.as_str()),
        ("magic", profile.magic.as_str()),
        ("package", profile.package.as_str()),
    ];
    let mut judgement = Judgement::default();
    let mut violated = BTreeSet::new();
    for rule in rules
        .iter()
        .filter(|r| r.profiles.is_empty() || r.profiles.contains(&profile.name))
    {
        let answer = match rule.check(&names) {
            Ok(check) => check.judge(&cx),
            Err(reason) => Answer::CannotTell {
                reason,
                location: Location::default(),
            },
        };
        match answer {
            Answer::Violated(violations) => {
                if violations
                    .iter()
                    .any(|v| v.severity.unwrap_or(rule.severity) == Severity::Error)
                {
                    violated.insert(rule.id.clone());
                }
                judgement
                    .findings
                    .extend(violations.into_iter().map(|v| finding(rule, v, &names)));
            }
            Answer::Satisfied => {
                judgement.satisfied.insert(rule.critical_point);
            }
            Answer::NotApplicable => {}
            Answer::CannotTell { reason, location } => judgement.untold.push(Untold {
                rule: rule.id.clone(),
                critical_point: rule.critical_point,
                reason,
                location,
            }),
        }
    }
    let silenced: BTreeSet<&str> = rules
        .iter()
        .filter(|r| r.unless.iter().any(|other| violated.contains(other)))
        .map(|r| r.id.as_str())
        .collect();
    judgement.findings.retain(|f| {
        !silenced.contains(f.rule.as_str()) && (pedantic || f.severity > Severity::Pedantic)
    });
    judgement.findings.sort_by(|a, b| {
        (a.stage, std::cmp::Reverse(a.severity), &a.rule, &a.location).cmp(&(
            b.stage,
            std::cmp::Reverse(b.severity),
            &b.rule,
            &b.location,
        ))
    });
    judgement
}

fn finding(rule: &Rule, violation: Violation, names: &[(&str, &str)]) -> Finding {
    Finding {
        rule: rule.id.clone(),
        severity: violation.severity.unwrap_or(rule.severity),
        stage: rule.stage,
        critical_point: rule.critical_point,
        snippet: snippet(&violation),
        message: violation.message,
        location: violation.location,
        evidence: violation.evidence,
        fix: fill_text(rule.fix.image.trim(), names),
        fix_isar: fill_text(rule.fix.isar.trim(), names),
        generated_by_isar: violation.generated_by_isar,
    }
}

fn snippet(violation: &Violation) -> Option<Snippet> {
    let origin = violation.origin.as_ref()?;
    let line = origin.line?;
    let first = line.saturating_sub(AROUND).max(1);
    let text: Vec<&str> = origin
        .file
        .text
        .lines()
        .skip(first as usize - 1)
        .take((line + AROUND - first + 1) as usize)
        .collect();
    Some(Snippet {
        first_line: first,
        text: text.join("\n"),
        line,
    })
}

impl Finding {
    /// As the verdict of a boot takes it.
    pub fn predicted(&self) -> crate::diagnose::Predicted {
        crate::diagnose::Predicted {
            rule: self.rule.clone(),
            error: self.severity == Severity::Error,
            stage: self.stage,
            critical_point: self.critical_point,
            message: self.message.clone(),
            location: self.location.clone(),
            fix: Some(self.fix.clone()),
        }
    }
}
