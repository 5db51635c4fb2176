//! Markdown for a merge-request comment.

use super::Inspection;
use super::safe::safe;
use super::style::Look;
use super::summary;
use std::fmt::Write as _;

/// Guest text as Markdown: what would be markup is escaped.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::new();
    for c in safe(raw).chars() {
        if "\\`*_{}[]<>()#+!|~".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A code span that holds any text.
pub(super) fn code(raw: &str) -> String {
    format!("`{}`", safe(raw).replace('`', "'"))
}

/// All images.
pub fn render(inspections: &[Inspection]) -> String {
    let mut out = String::from("## isar-doctor\n");
    for inspection in inspections {
        match &inspection.outcome {
            Err(error) => {
                let _ = writeln!(
                    out,
                    "\n**{}** could not be judged: {}",
                    text(&inspection.path),
                    text(&error.to_string())
                );
            }
            Ok(judged) => {
                let _ = writeln!(out, "\n**{}**", text(&summary::line(judged, Look::plain())));
                if judged.judgement.findings.is_empty() {
                    continue;
                }
                out.push_str("\n| | rule | where | what |\n|---|---|---|---|\n");
                for f in &judged.judgement.findings {
                    let _ = writeln!(
                        out,
                        "| {}{} | {} | {} | {} |",
                        f.severity.id(),
                        if f.known() { ", known" } else { "" },
                        code(&f.rule),
                        code(&f.location.to_string()),
                        text(&f.message)
                    );
                }
                for f in &judged.judgement.findings {
                    let _ = writeln!(out, "\n<details><summary>{}</summary>\n", text(&f.rule));
                    for evidence in &f.evidence {
                        let _ = writeln!(out, "- {}", text(&evidence.text));
                    }
                    let _ = writeln!(
                        out,
                        "\n**Fix:** {}\n\n**In ISAR:** {}\n\n</details>",
                        text(&f.fix),
                        text(&f.fix_isar)
                    );
                }
            }
        }
    }
    out
}
