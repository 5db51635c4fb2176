//! Notes about suppressions that do nothing (more).

use super::Inspection;
use super::safe::safe;
use super::style::Look;
use crate::config::Suppression;
use crate::rules::Severity;
use std::fmt::Write as _;

/// Each once, however many images it was meant for.
pub fn notes(inspections: &[Inspection], look: Look) -> String {
    let judged = || inspections.iter().filter_map(|i| i.outcome.as_ref().ok());
    let mut out = String::new();
    let label = look.severity(Severity::Pedantic, "note:");
    for s in once(judged().flat_map(|j| &j.judgement.expired)) {
        let day = s.expires.map(|d| d.to_string()).unwrap_or_default();
        let _ = writeln!(
            out,
            "{label} the suppression of {} expired on {day} and silences nothing more: fix the finding, or decide anew",
            named(s)
        );
    }
    for s in once(judged().flat_map(|j| &j.judgement.unused)) {
        let _ = writeln!(
            out,
            "{label} the suppression of {} silenced nothing: remove it",
            named(s)
        );
    }
    out
}

fn once<'a>(all: impl Iterator<Item = &'a Suppression>) -> Vec<&'a Suppression> {
    let mut seen = Vec::new();
    for s in all {
        if !seen.contains(&s) {
            seen.push(s);
        }
    }
    seen
}

fn named(s: &Suppression) -> String {
    let mut text = format!("`{}`", s.rule);
    if let Some(location) = &s.location {
        let _ = write!(text, " at `{location}`");
    }
    if let Some(image) = &s.image {
        let _ = write!(text, " in `{image}`");
    }
    let _ = write!(text, " ({})", s.reason.trim());
    safe(&text).into_owned()
}
