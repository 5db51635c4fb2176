//! What a rule found, with the rule's own words, as reports print it.

use super::baseline::State;
use super::violation::{Confidence, Evidence, Violation};
use crate::critical_point::CriticalPoint;
use crate::inspect::source::{Location, Origin};
use crate::rules::{Rule, Severity, fill_text};
use crate::stage::Stage;
use schemars::JsonSchema;
use serde::Serialize;

/// Lines of the image around the place, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Snippet {
    /// 1-based number of the first line in `text`.
    pub first_line: u32,
    /// The lines.
    pub text: String,
    /// 1-based number of the line that is meant.
    pub line: u32,
    /// Bytes of that line that matter: start and end. The whole line when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<(usize, usize)>,
}

/// A rule that is violated only because of what a finding says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Consequence {
    /// Rule id.
    pub rule: String,
    /// Its critical point.
    pub critical_point: CriticalPoint,
    /// Its message.
    pub message: String,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Rule id.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
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
    pub evidence: Vec<Evidence>,
    /// What to change in the image.
    pub fix: String,
    /// What to change in the ISAR recipe, WKS or kas file.
    pub fix_isar: String,
    /// ISAR itself writes it so.
    pub generated_by_isar: bool,
    /// Other rules that are violated only because of this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consequences: Vec<Consequence>,
    /// Whether the baseline knows it; absent without a baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<State>,
    /// The line with its file, for reports that quote more of it.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

/// Lines shown before and after the line that is meant.
const AROUND: u32 = 2;

impl Finding {
    /// The violation, and the words of its rule with the names of the image filled in.
    pub(super) fn new(rule: &Rule, violation: Violation, names: &[(&str, &str)]) -> Finding {
        Finding {
            rule: rule.id.clone(),
            severity: violation.severity.unwrap_or(rule.severity),
            confidence: violation.confidence,
            stage: rule.stage,
            critical_point: rule.critical_point,
            snippet: snippet(&violation),
            message: violation.message,
            location: violation.location,
            evidence: violation.evidence,
            fix: fill_text(rule.fix.image.trim(), names),
            fix_isar: fill_text(rule.fix.isar.trim(), names),
            generated_by_isar: violation.generated_by_isar,
            consequences: Vec::new(),
            baseline: None,
            origin: violation.origin,
        }
    }

    /// Whether the baseline knows it: then it counts no more.
    pub fn known(&self) -> bool {
        self.baseline == Some(State::Known)
    }

    /// As the verdict of a boot takes it.
    pub fn predicted(&self) -> crate::diagnose::Predicted {
        crate::diagnose::Predicted {
            rule: self.rule.clone(),
            error: self.severity == Severity::Error,
            standing: None,
            stage: self.stage,
            critical_point: self.critical_point,
            message: self.message.clone(),
            location: self.location.clone(),
            fix: Some(self.fix.clone()),
        }
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
        columns: violation.span.as_ref().map(|s| (s.start, s.end)),
    })
}
