//! The report for people.

use super::safe::safe;
use super::style::Look;
use super::{Inspection, Judged, chain, points, summary};
use crate::checks::run::{Finding, Snippet};
use crate::rules::Severity;
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer};
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
    for finding in &judged.judgement.findings {
        out.push_str(&one(finding, look));
        out.push('\n');
    }
    untold(&mut out, judged, look);
    let _ = writeln!(out, "{}", summary::line(judged, look));
    out
}

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
        let _ = writeln!(
            out,
            "{label} {}: {} (rules: {})\n",
            safe(&location),
            safe(reason),
            rules.join(", ")
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
    let path = safe(&place_without_line(finding)).into_owned();
    let mut group = level
        .primary_title(title)
        .id(finding.rule.as_str())
        .element(annotate_snippets::Padding);
    group = match &finding.snippet {
        Some(snippet) => {
            let (source, span) = source(snippet);
            let marked = annotate_snippets::Snippet::source(source)
                .line_start(snippet.first_line as usize)
                .path(path)
                .fold(false);
            let label = format!("critical point: {}", finding.critical_point);
            group.element(marked.annotation(AnnotationKind::Primary.span(span).label(label)))
        }
        None => group.element(annotate_snippets::Origin::path(path)),
    };
    for evidence in &finding.evidence {
        group = group.element(
            Level::NOTE
                .with_name("because")
                .message(safe(evidence).into_owned()),
        );
    }
    if finding.generated_by_isar {
        group = group.element(Level::NOTE.message("ISAR's own tooling writes it so"));
    }
    group = group.element(
        Level::HELP
            .with_name("fix")
            .message(wrapped(&finding.fix, look)),
    );
    group = group.element(
        Level::HELP
            .with_name("in ISAR")
            .message(wrapped(&finding.fix_isar, look)),
    );
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

/// Rule texts are wrapped in their files; lines are joined and wrapped again for the terminal.
fn wrapped(text: &str, look: Look) -> String {
    let width = usize::from(look.width).saturating_sub(16);
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
    lines.join("\n")
}

fn place_without_line(finding: &Finding) -> String {
    let mut location = finding.location.clone();
    if finding.snippet.is_some() {
        location.line = None;
    }
    location.to_string()
}

/// Lines longer than this are cut in the display.
const LINE_CAP: usize = 400;

/// The lines made safe, and the span of the one that is meant.
fn source(snippet: &Snippet) -> (String, std::ops::Range<usize>) {
    let mut text = String::new();
    let mut span = 0..0;
    for (line, number) in snippet.text.split('\n').zip(snippet.first_line..) {
        let start = text.len();
        let line: String = safe(line).chars().take(LINE_CAP).collect();
        text.push_str(&line);
        if number == snippet.line {
            let indent = line.len() - line.trim_start().len();
            span = start + indent..text.len().max(start + indent);
        }
        text.push('\n');
    }
    (text, span)
}
