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

/// Words of a rule: their line breaks don't matter, and what stands in backticks is code.
pub(super) fn prose(raw: &str) -> String {
    let words: Vec<&str> = raw.split_whitespace().collect();
    let words = words.join(" ");
    if words.matches('`').count() % 2 == 1 {
        return text(&words);
    }
    let pieces = words.split('`').enumerate();
    pieces
        .map(|(n, piece)| match n % 2 {
            0 => text(piece),
            _ => code(piece),
        })
        .collect()
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
                        // A bar would end the cell even in a code span.
                        code(&f.location.to_string()).replace('|', "\\|"),
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
                        prose(&f.fix),
                        prose(&f.fix_isar)
                    );
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_rule_keep_their_code_and_lose_their_line_breaks() {
        assert_eq!(prose("Add `A=b_c`\nto a_b."), "Add `A=b_c` to a\\_b.");
        assert_eq!(prose("a ` <b>"), "a \\` \\<b\\>");
    }
}
