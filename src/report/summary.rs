//! The last line about one image, and the table over many.

use super::safe::safe;
use super::style::Look;
use super::{Inspection, Judged};
use crate::profile::Goal;
use crate::rules::Severity;
use comfy_table::{ContentArrangement, Table};
use schemars::JsonSchema;
use serde::Serialize;

/// Numbers of findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Pedantic findings.
    pub pedantic: usize,
    /// Rules that could not be judged.
    pub cannot_tell: usize,
    /// Findings that a suppression silences; they are in no other number.
    pub suppressed: usize,
    /// Findings that the baseline knows; they are in the other numbers too.
    pub known: usize,
    /// Findings of the baseline that no longer occur.
    pub fixed: usize,
}

impl Counts {
    /// Counts one image's findings.
    pub fn of(judged: &Judged) -> Counts {
        let count = |severity| {
            judged
                .judgement
                .findings
                .iter()
                .filter(|f| f.severity == severity)
                .count()
        };
        Counts {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            pedantic: count(Severity::Pedantic),
            cannot_tell: judged.judgement.untold.len(),
            suppressed: judged.judgement.suppressed.len(),
            known: judged
                .judgement
                .findings
                .iter()
                .filter(|f| f.known())
                .count(),
            fixed: judged.judgement.fixed.len(),
        }
    }
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `2 errors, 1 warning in race.wic: the boot will stop at unit`.
pub fn line(judged: &Judged, look: Look) -> String {
    let counts = Counts::of(judged);
    let mut parts = Vec::new();
    if counts.errors > 0 {
        parts.push(look.severity(Severity::Error, &plural(counts.errors, "error")));
    }
    if counts.warnings > 0 {
        parts.push(look.severity(Severity::Warning, &plural(counts.warnings, "warning")));
    }
    if counts.pedantic > 0 {
        parts.push(format!("{} pedantic", counts.pedantic));
    }
    if counts.cannot_tell > 0 {
        parts.push(format!("{} not told", plural(counts.cannot_tell, "rule")));
    }
    let path = safe(&judged.facts.image.path).into_owned();
    let aside: Vec<String> = [
        (counts.known, "known"),
        (counts.fixed, "fixed"),
        (counts.suppressed, "suppressed"),
    ]
    .iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    let aside = match aside.is_empty() {
        true => String::new(),
        false => format!(" ({})", aside.join(", ")),
    };
    if parts.is_empty() {
        return format!("{} no findings in {path}{aside}", look.good("ok:"));
    }
    let stop = judged
        .judgement
        .findings
        .iter()
        .find(|f| f.severity == Severity::Error)
        .map(|f| match judged.facts.profile.goal {
            Goal::Production => "; it is not fit to be shipped".to_owned(),
            Goal::Shell | Goal::Login => format!("; the boot will stop at `{}`", f.stage),
        })
        .unwrap_or_default();
    format!("{} in {path}{aside}{stop}", parts.join(", "))
}

/// One row for each image.
pub fn table(inspections: &[Inspection], look: Look) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table
        .set_width(look.width)
        .load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.force_no_tty();
    table.set_header(["image", "errors", "warnings", "first failure"]);
    for inspection in inspections {
        let name = safe(&inspection.path).into_owned();
        match &inspection.outcome {
            Ok(judged) => {
                let counts = Counts::of(judged);
                let first = judged
                    .judgement
                    .findings
                    .iter()
                    .find(|f| f.severity == Severity::Error && !f.known())
                    .map_or("-", |f| f.rule.as_str());
                let known = |severity| {
                    let findings = judged.judgement.findings.iter();
                    findings
                        .filter(|f| f.severity == severity && f.known())
                        .count()
                };
                let cell = |n: usize, known: usize| match known {
                    0 => n.to_string(),
                    known => format!("{n} ({known} known)"),
                };
                table.add_row([
                    name,
                    cell(counts.errors, known(Severity::Error)),
                    cell(counts.warnings, known(Severity::Warning)),
                    first.to_owned(),
                ]);
            }
            Err(error) => {
                table.add_row([
                    name,
                    "-".into(),
                    "-".into(),
                    safe(&error.to_string()).into_owned(),
                ]);
            }
        }
    }
    table.to_string()
}
