//! The comparison as Markdown, for a merge request or an issue.

use super::diff_human::Heads;
use super::diff_words;
use super::markdown::{code, prose, text};
use crate::diff::Comparison;
use std::fmt::Write as _;

/// The whole comparison.
pub fn render(comparison: &Comparison, heads: &Heads<'_>, all: bool) -> String {
    let mut out = format!(
        "## isar-doctor diff\n\n- good: {} ({})\n- bad: {} ({})\n",
        code(heads.good),
        text(heads.good_summary),
        code(heads.bad),
        text(heads.bad_summary)
    );
    if let Some(cause) = &comparison.cause {
        let _ = writeln!(
            out,
            "\n**Most likely cause** {}",
            text(&diff_words::headline(cause))
        );
    }
    let rows = diff_words::rows(comparison, all);
    if rows.is_empty() {
        out.push_str("\nNo difference that matters.\n");
    } else {
        out.push_str("\n| stage | what | good | bad |\n|---|---|---|---|\n");
    }
    for row in &rows {
        let cell = |value: &Option<String>| match value {
            // A bar would end the cell even in a code span.
            Some(value) => code(value).replace('|', "\\|"),
            None => "–".to_owned(),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            row.stage,
            text(&row.title),
            cell(&row.good),
            cell(&row.bad)
        );
    }
    if let Some(noise) = diff_words::noise(comparison, all) {
        let _ = writeln!(out, "\n{}", text(&noise));
    }
    if let Some(cause) = &comparison.cause {
        out.push_str("\n### Why\n\n");
        for (label, reason) in diff_words::reasons(comparison, cause) {
            let _ = writeln!(out, "- **{label}**: {}", prose(&reason));
        }
    }
    out
}
