//! The page of a boot: the verdict, the stages, and a timeline to zoom into.

use super::{page, prose, text};
use crate::boot::outcome::Outcome;
use crate::diagnose::verdict::Verdict;
use crate::diagnose::{Predicted, Standing};
use crate::report::svg;
use crate::stage::Stage;
use serde_json::json;
use std::fmt::Write;

const SCRIPT: &str = include_str!("timeline.js");

/// The page.
pub fn boot(outcome: &Outcome, verdict: &Verdict, predicted: &[Predicted]) -> String {
    let image = outcome.image.as_deref().unwrap_or("a boot");
    let mut body = format!("<h1>{}</h1>\n", text(image));
    head(&mut body, verdict);
    stages(&mut body, outcome);
    evidence(&mut body, verdict, predicted);
    let _ = write!(
        body,
        "<h2>Timeline</h2>\n<canvas id=\"plot\" role=\"img\" aria-label=\"what was seen, by time and source\"></canvas>\n\
         <noscript>{}</noscript>\n<p id=\"tip\" class=\"mono dim\">Wheel to zoom, drag to move, double click for all.</p>\n\
         <div class=\"tools\"><span id=\"sources\" class=\"tools\"></span><input id=\"find\" type=\"search\" placeholder=\"find in the lines\" aria-label=\"find in the lines\"></div>\n\
         <div id=\"lines\"></div>\n<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n",
        svg::timeline(outcome, verdict),
        data(outcome, verdict)
    );
    page(&format!("isar-doctor boot {image}"), &body)
}

fn head(body: &mut String, verdict: &Verdict) {
    let stage = verdict.stage.map_or("unknown", Stage::id);
    let (class, headline) = if verdict.healthy() {
        ("good", "Reached: the shell answers".to_owned())
    } else if verdict.reached {
        ("warn", "Reached, and not healthy".to_owned())
    } else {
        let point = verdict
            .critical_point
            .map_or_else(String::new, |p| format!(" · {p}"));
        ("bad", format!("Stopped at {stage}{point}"))
    };
    let _ = writeln!(body, "<p class=\"verdict {class}\">{}</p>", text(&headline));
    if let Some(cause) = verdict.cause.as_ref().or(verdict.unhealthy.as_ref()) {
        let _ = writeln!(body, "<p><strong>{}</strong></p>", text(cause));
    }
    if verdict.racy {
        body.push_str(
            "<p class=\"warn\">racy: another boot of this image may end differently</p>\n",
        );
    }
    if let Some(reason) = &verdict.accepted {
        let _ = writeln!(body, "<p class=\"dim\">accepted: {}</p>", text(reason));
    }
    if let Some(fix) = &verdict.fix {
        let _ = writeln!(body, "<p><strong>Fix</strong> {}</p>", prose(fix));
    }
}

fn stages(body: &mut String, outcome: &Outcome) {
    body.push_str("<h2>Stages</h2>\n<table>\n");
    for stage in Stage::ALL {
        let reached = outcome.stages.get(stage);
        let time = reached.map_or_else(String::new, |r| format!("{:.1} s", r.t));
        let (class, mark) = if reached.is_some() {
            ("good", "✓")
        } else {
            ("dim", "·")
        };
        let _ = writeln!(
            body,
            "<tr><td class=\"{class}\">{mark} {stage}</td><td class=\"n\">{time}</td><td>{}</td></tr>",
            text(reached.map_or("", |r| r.evidence.as_str()))
        );
    }
    body.push_str("</table>\n");
}

fn evidence(body: &mut String, verdict: &Verdict, predicted: &[Predicted]) {
    if !verdict.evidence.is_empty() {
        body.push_str("<h2>Evidence</h2>\n<table>\n");
        for e in &verdict.evidence {
            let time = e.t.map_or_else(String::new, |t| format!("{t:.3}"));
            let _ = writeln!(
                body,
                "<tr class=\"mono\"><td>{time}</td><td>{}</td><td>{}</td></tr>",
                text(&e.source),
                text(&e.text)
            );
        }
        body.push_str("</table>\n");
    }
    if !verdict.experiments.is_empty() {
        body.push_str("<h2>Experiments</h2>\n<table>\n");
        for e in &verdict.experiments {
            let _ = writeln!(
                body,
                "<tr><td class=\"mono\">{}</td><td>{}</td><td>{:.1} s</td><td>{}</td></tr>",
                text(&e.lever),
                e.stage.map_or("", Stage::id),
                e.seconds,
                text(&e.text)
            );
        }
        body.push_str("</table>\n");
    }
    let told = |p: &&Predicted| p.standing() != Standing::Off;
    if predicted.iter().any(|p| told(&p)) {
        body.push_str("<h2>What inspect says about the image</h2>\n");
        for p in predicted.iter().filter(told) {
            let (class, reason) = match p.standing() {
                Standing::Accepted(reason) => ("accepted", format!(" accepted: {reason}")),
                Standing::Error => ("error", String::new()),
                _ => ("warning", String::new()),
            };
            let _ = writeln!(
                body,
                "<article class=\"{class}\"><h3>{}</h3><p class=\"dim\"><code>{}</code>{}</p><p class=\"mono\">{}</p></article>",
                text(&p.message),
                text(&p.rule),
                text(&reason),
                text(&p.location.to_string())
            );
        }
    }
    for blind in &verdict.blind {
        let _ = writeln!(body, "<p class=\"dim\">Could not see: {}</p>", text(blind));
    }
}

/// Everything seen, for the script. `<` never appears, so that no text can end the element.
fn data(outcome: &Outcome, verdict: &Verdict) -> String {
    let events: Vec<_> = outcome
        .timeline
        .iter()
        .map(|o| json!({"t": o.t, "s": o.source.id(), "x": o.event.text()}))
        .collect();
    let stages: Vec<_> = Stage::ALL
        .into_iter()
        .filter_map(|stage| Some(json!({"name": stage.id(), "t": outcome.stages.get(stage)?.t})))
        .collect();
    let evidence: Vec<_> = verdict
        .evidence
        .iter()
        .filter_map(|e| Some(json!([e.t?, e.source])))
        .collect();
    json!({"events": events, "stages": stages, "evidence": evidence})
        .to_string()
        .replace('<', "\\u003c")
}
