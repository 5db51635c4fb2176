//! The page of `inspect`: the chain, the critical points, the findings.

use super::{page, prose, text};
use crate::checks::points::State;
use crate::checks::run::Finding;
use crate::report::style::Look;
use crate::report::{Inspection, Judged, chain, summary};
use crate::rules::{Severity, critical_points};
use crate::stage::Stage;
use std::fmt::Write;

/// All images on one page.
pub fn inspect(inspections: &[Inspection]) -> String {
    let mut body = String::new();
    for inspection in inspections {
        let _ = writeln!(body, "<section>\n<h1>{}</h1>", text(&inspection.path));
        match &inspection.outcome {
            Err(error) => {
                let _ = writeln!(
                    body,
                    "<p class=\"verdict bad\">could not be judged: {}</p>",
                    text(&error.to_string())
                );
            }
            Ok(judged) => image(&mut body, judged),
        }
        body.push_str("</section>\n");
    }
    page("isar-doctor inspect", &body)
}

fn image(body: &mut String, judged: &Judged) {
    let findings = &judged.judgement.findings;
    let class = match findings.iter().map(|f| f.severity).max() {
        Some(Severity::Error) => "bad",
        Some(_) => "warn",
        None => "good",
    };
    let _ = writeln!(
        body,
        "<p class=\"verdict {class}\">{}</p>",
        text(&summary::line(judged, Look::plain()))
    );
    for finding in findings {
        one(body, finding);
    }
    for open in &judged.judgement.untold {
        let _ = writeln!(
            body,
            "<p class=\"warn\">cannot tell {}: {} <span class=\"dim\">{}</span></p>",
            text(&open.rule),
            text(&open.reason),
            text(&open.location.to_string())
        );
    }
    body.push_str("<h2>The chain as it will boot</h2>\n<table>\n");
    for (stage, line) in chain::links(&judged.facts) {
        let _ = writeln!(
            body,
            "<tr><th>{}</th><td>{}</td></tr>",
            stage.map_or("image", Stage::id),
            text(&line)
        );
    }
    body.push_str("</table>\n<h2>Critical points</h2>\n<div class=\"scroll\"><table>\n<tr><th>critical point</th><th>what happens</th><th>failure mode</th><th>state</th></tr>\n");
    for row in critical_points::table() {
        let state = judged
            .judgement
            .points
            .iter()
            .find(|p| p.id == row.id)
            .map_or(State::NotApplicable, |p| p.state);
        let (class, word) = match state {
            State::Ok => ("good", "ok"),
            State::Warning => ("warn", "warning"),
            State::Violated => ("bad", "violated"),
            State::CannotTell => ("warn", "cannot tell"),
            State::NotApplicable => ("dim", "n/a"),
        };
        let _ = writeln!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"{class}\">{word}</td></tr>",
            text(&row.location),
            text(&row.what_happens),
            text(&row.failure_mode)
        );
    }
    body.push_str("</table></div>\n");
}

/// One finding as a card.
fn one(body: &mut String, f: &Finding) {
    let known = if f.known() { " · known" } else { "" };
    let _ = writeln!(
        body,
        "<article class=\"{}\" id=\"{}\">\n<h3>{}</h3>\n<p class=\"dim\"><code>{}</code> · {}{known} · stage {} · critical point {}</p>\n<p class=\"mono\">{}</p>",
        f.severity.id(),
        text(&f.rule),
        text(&f.message),
        text(&f.rule),
        f.severity.id(),
        f.stage,
        f.critical_point,
        text(&f.location.to_string())
    );
    if let Some(snippet) = &f.snippet {
        body.push_str("<pre>");
        for (line, number) in snippet.text.lines().zip(snippet.first_line..) {
            let class = if number == snippet.line {
                " class=\"meant\""
            } else {
                ""
            };
            let _ = write!(body, "<span{class}><i>{number}</i>{}</span>", text(line));
        }
        body.push_str("</pre>\n");
    }
    if !f.evidence.is_empty() {
        body.push_str("<ul>\n");
        for evidence in &f.evidence {
            let _ = writeln!(body, "<li>{}</li>", text(&evidence.text));
        }
        body.push_str("</ul>\n");
    }
    let _ = writeln!(
        body,
        "<p><strong>Fix</strong> {}</p>\n<p><strong>In ISAR</strong> {}</p>\n</article>",
        prose(&f.fix),
        prose(&f.fix_isar)
    );
}
