//! The report for people.

use super::safe::safe;
use super::style::Look;
use super::{Inspection, Judged, baseline, chain, points, quote, summary};
use crate::checks::run::Finding;
use crate::checks::{Confidence, Evidence};
use crate::rules::Severity;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Level, Renderer};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One image, whole. `brief` leaves out the chain and the table.
pub fn render(inspection: &Inspection, look: Look, brief: bool) -> String {
    let mut out = String::new();
    let judged = match &inspection.outcome {
        Ok(judged) => judged,
        Err(error) => {
            return format!(
                "{} {}: {}\n",
                look.severity(Severity::Error, "error:"),
                safe(&inspection.path),
                safe(&error.to_string())
            );
        }
    };
    if !brief {
        let _ = writeln!(out, "{}\n", look.bold(&safe(&inspection.path)));
        for (stage, text) in chain::links(&judged.facts) {
            let label = stage.map_or("image", |s| s.id());
            let _ = writeln!(out, "  {} {text}", look.dim(&format!("{label:<10}")));
        }
        let _ = writeln!(
            out,
            "\n{}\n",
            points::table(&judged.judgement, &judged.facts.profile, look)
        );
    }
    for finding in judged.judgement.findings.iter().filter(|f| !f.known()) {
        out.push_str(&one(finding, look));
        out.push('\n');
    }
    out.push_str(&baseline::lines(&judged.judgement, look));
    untold(&mut out, judged, look);
    let _ = writeln!(out, "{}", summary::line(judged, look));
    out
}

/// Rules that are named for one open question; json has them all.
const MAX_RULES: usize = 6;

/// Open questions, those with the same reason together.
fn untold(out: &mut String, judged: &Judged, look: Look) {
    let mut by_reason: BTreeMap<(String, &str), Vec<&str>> = BTreeMap::new();
    for open in &judged.judgement.untold {
        by_reason
            .entry((open.location.to_string(), &open.reason))
            .or_default()
            .push(&open.rule);
    }
    for ((location, reason), rules) in by_reason {
        let label = look.severity(Severity::Warning, "cannot tell:");
        let shown = rules.iter().take(MAX_RULES).copied();
        let more = match rules.len().saturating_sub(MAX_RULES) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let _ = writeln!(
            out,
            "{label} {}: {} (rules: {}{more})\n",
            safe(&location),
            safe(reason),
            shown.collect::<Vec<_>>().join(", ")
        );
    }
}

/// One finding as a source snippet with its reasons and fixes.
pub fn one(finding: &Finding, look: Look) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Pedantic => Level::NOTE.with_name("pedantic"),
    };
    let title = safe(&finding.message).into_owned();
    let mut group = level
        .primary_title(title)
        .id(finding.rule.as_str())
        .element(annotate_snippets::Padding);
    group = match quote::quoted(finding) {
        Some(quoted) => group.element(quoted.into_snippet()),
        None => group.element(annotate_snippets::Origin::path(
            safe(&finding.location.to_string()).into_owned(),
        )),
    };
    let mut notes: Vec<(Level<'static>, &'static str, String)> = Vec::new();
    let mut note = |level, name, text: &str| notes.push((level, name, wrapped(text, look, name)));
    for evidence in &finding.evidence {
        note(Level::NOTE, "because", &reason(evidence));
    }
    if finding.confidence != Confidence::Certain {
        note(Level::NOTE, "note", confidence(finding.confidence));
    }
    if finding.generated_by_isar {
        note(Level::NOTE, "note", "ISAR's own tooling writes it so");
    }
    for c in &finding.consequences {
        let text = format!("{} ({} at {})", c.message, c.rule, c.critical_point);
        note(Level::NOTE, "follows", &text);
    }
    note(Level::HELP, "fix", &finding.fix);
    note(Level::HELP, "in ISAR", &finding.fix_isar);
    for (level, name, text) in notes {
        group = group.element(level.with_name(name).message(text));
    }
    let renderer = if look.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let text = renderer
        .decor_style(DecorStyle::Unicode)
        .term_width(usize::from(look.width))
        .render(&[group]);
    format!("{text}\n")
}

fn reason(evidence: &Evidence) -> String {
    match &evidence.location {
        Some(location) => format!("{} ({location})", evidence.text),
        None => evidence.text.clone(),
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "certain",
        Confidence::Likely => "it depends on timing or on what a program does: likely, not certain",
        Confidence::Possible => "it depends on the machine: possible, not certain",
    }
}

/// Rule texts are wrapped in their files; lines are joined and wrapped again for the terminal.
fn wrapped(text: &str, look: Look, label: &str) -> String {
    let width = usize::from(look.width).saturating_sub(10 + label.len());
    wrapped_lines(text, width).join("\n")
}

/// Text made safe, its lines joined and broken anew at a width.
pub fn wrapped_lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in safe(&text.replace('\n', " ")).split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > width
        {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}
