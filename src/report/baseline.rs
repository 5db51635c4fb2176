//! What a baseline knows, and what of it is fixed: a line each.

use super::safe::safe;
use super::style::Look;
use crate::checks::run::Judgement;
use std::fmt::Write as _;

/// Known findings, then fixed ones.
pub fn lines(judgement: &Judgement, look: Look) -> String {
    let mut out = String::new();
    for f in judgement.findings.iter().filter(|f| f.known()) {
        let _ = writeln!(
            out,
            "{} {}[{}] {}: {}",
            look.dim("known:"),
            f.severity.id(),
            f.rule,
            safe(&f.location.to_string()),
            safe(&f.message)
        );
    }
    for e in &judgement.fixed {
        let _ = writeln!(
            out,
            "{} {}[{}] {}: {}",
            look.good("fixed:"),
            e.severity.id(),
            safe(&e.rule),
            safe(&e.location),
            safe(&e.message)
        );
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}
