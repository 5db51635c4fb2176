//! The comparison of two images for people: the cause in one line, the changes along the chain, the cause with its reasons.

use super::diff_words::{self, Row};
use super::human::wrapped_lines;
use super::safe::safe;
use super::style::Look;
use crate::diff::{Cause, Comparison};
use crate::rules::Severity;
use std::fmt::Write as _;

/// What is compared.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// Path of the good image.
    pub good: &'a str,
    /// What the rules say of it.
    pub good_summary: &'a str,
    /// Path of the bad image.
    pub bad: &'a str,
    /// What the rules say of it.
    pub bad_summary: &'a str,
}

/// The whole report. `all` unfolds the noise and the long lists.
pub fn render(comparison: &Comparison, heads: &Heads<'_>, look: Look, all: bool) -> String {
    let mut out = format!(
        "{} {}\n     {}\n{}  {}\n     {}\n\n",
        look.good("good"),
        safe(heads.good),
        look.dim(&safe(heads.good_summary)),
        look.severity(Severity::Error, "bad"),
        safe(heads.bad),
        look.dim(&safe(heads.bad_summary))
    );
    if let Some(cause) = &comparison.cause {
        let text = diff_words::headline(cause);
        paragraph(&mut out, look, "cause", &text);
        out.push('\n');
    }
    let rows = diff_words::rows(comparison, all);
    if rows.is_empty() {
        out.push_str("no difference that matters\n");
    }
    let mut stage = None;
    for row in &rows {
        let label = if stage == Some(row.stage) {
            ""
        } else {
            row.stage.id()
        };
        stage = Some(row.stage);
        change(&mut out, row, label, look);
    }
    if let Some(noise) = diff_words::noise(comparison, all) {
        let _ = writeln!(out, "\n{}", look.dim(&safe(&noise)));
    }
    if let Some(cause) = &comparison.cause {
        reasons(&mut out, comparison, cause, look);
    }
    out
}

fn change(out: &mut String, row: &Row, label: &str, look: Look) {
    let title = safe(&row.title).into_owned();
    let _ = write!(out, "{} ", look.dim(&format!("{label:<10}")));
    let short = row
        .good
        .as_ref()
        .zip(row.bad.as_ref())
        .map(|(a, b)| format!("{} → {}", safe(a), safe(b)));
    let width = usize::from(look.width);
    match short {
        Some(text) if 13 + title.chars().count() + text.chars().count() <= width => {
            let _ = writeln!(out, "{}: {text}", look.bold(&title));
        }
        _ => {
            let _ = writeln!(out, "{}", look.bold(&title));
            for (sign, text) in [("-", &row.good), ("+", &row.bad)] {
                let Some(text) = text else { continue };
                for (n, line) in wrapped_lines(text, width.saturating_sub(15))
                    .iter()
                    .enumerate()
                {
                    let mark = if n == 0 { sign } else { " " };
                    let line = format!("{mark} {line}");
                    let line = match sign {
                        "-" => look.severity(Severity::Error, &line),
                        _ => look.good(&line),
                    };
                    let _ = writeln!(out, "           {line}");
                }
            }
        }
    }
}

fn reasons(out: &mut String, comparison: &Comparison, cause: &Cause, look: Look) {
    let _ = writeln!(out, "\n{}", look.bold("The most likely cause"));
    for (label, text) in diff_words::reasons(comparison, cause) {
        paragraph(out, look, label, &text);
    }
}

/// A label, and text that hangs beside it.
fn paragraph(out: &mut String, look: Look, label: &str, text: &str) {
    let width = usize::from(look.width).saturating_sub(12);
    for (n, line) in wrapped_lines(text, width).iter().enumerate() {
        let label = if n == 0 { label } else { "" };
        let _ = writeln!(out, "{} {line}", look.bold(&format!("{label:<10}")));
    }
}
