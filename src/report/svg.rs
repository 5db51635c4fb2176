//! The timeline of a boot as a drawing: stages as bars, everything seen as ticks by source, the evidence in words.

use super::html::text;
use crate::boot::outcome::Outcome;
use crate::diagnose::verdict::Verdict;
use crate::stage::Stage;
use std::fmt::Write;

const WIDTH: f64 = 1100.0;
const LEFT: f64 = 90.0;
const ROW: f64 = 26.0;
/// Characters of a line of evidence.
const WORDS: usize = 150;

/// A standalone SVG document.
pub fn timeline(outcome: &Outcome, verdict: &Verdict) -> String {
    let end = outcome.timeline.iter().map(|o| o.t).fold(1.0, f64::max);
    let x = |t: f64| LEFT + t / end * (WIDTH - LEFT - 20.0);
    let mut sources: Vec<&str> = Vec::new();
    for seen in &outcome.timeline {
        let name = seen.source.id();
        if !sources.contains(&name) {
            sources.push(name);
        }
    }
    let evidence: Vec<_> = verdict
        .evidence
        .iter()
        .filter_map(|e| Some((e.t?, &e.text)))
        .collect();
    let lanes = 40.0 + ROW * sources.len() as f64;
    let height = lanes + 40.0 + 18.0 * evidence.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <style>svg {{ color: #1d1d1f; background: #fff }} @media (prefers-color-scheme: dark) {{ svg {{ color: #e9e7e3; background: #161618 }} }} text {{ fill: currentColor }} .tick {{ stroke: currentColor; stroke-width: 1; opacity: .45; fill: none }} .bar {{ fill: #2d5bd0; opacity: .2 }} .odd {{ opacity: .35 }} .key {{ stroke: #d0342c; stroke-width: 2 }}</style>\n"
    );
    let reached: Vec<_> = Stage::ALL
        .into_iter()
        .filter_map(|s| Some((s, outcome.stages.get(s)?.t)))
        .collect();
    for (index, (stage, t)) in reached.iter().enumerate() {
        let next = reached.get(index + 1).map_or(end, |(_, t)| *t);
        let (a, b) = (x(*t), x(next));
        let odd = if index % 2 == 1 { " odd" } else { "" };
        let _ = writeln!(
            out,
            "<rect class=\"bar{odd}\" x=\"{a:.1}\" y=\"6\" width=\"{:.1}\" height=\"24\"><title>{stage} {t:.1} s</title></rect>",
            (b - a).max(0.5)
        );
        if b - a > 8.0 * stage.id().len() as f64 {
            let _ = writeln!(out, "<text x=\"{:.1}\" y=\"22\">{stage}</text>", a + 4.0);
        }
    }
    for (row, source) in sources.iter().enumerate() {
        let y = 40.0 + ROW * row as f64;
        let mut ticks = String::new();
        for seen in outcome.timeline.iter().filter(|o| o.source.id() == *source) {
            let _ = write!(ticks, "M{:.1} {y:.0}v18", x(seen.t));
        }
        let _ = writeln!(
            out,
            "<text x=\"6\" y=\"{:.0}\">{source}</text><path class=\"tick\" d=\"{ticks}\"/>",
            y + 13.0
        );
    }
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
        .into_iter()
        .find(|s| end / s < 15.0)
        .unwrap_or(500.0);
    let mut t = 0.0;
    while t <= end {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.0}\">{t} s</text>",
            x(t),
            lanes + 16.0
        );
        t += step;
    }
    for (index, (t, words)) in evidence.iter().enumerate() {
        let shown: String = words.chars().take(WORDS).collect();
        let _ = writeln!(
            out,
            "<path class=\"key\" d=\"M{0:.1} 36V{lanes:.0}\"/><text x=\"6\" y=\"{1:.0}\">{t:.3} s  {2}</text>",
            x(*t),
            lanes + 38.0 + 18.0 * index as f64,
            text(&shown)
        );
    }
    out.push_str("</svg>\n");
    out
}
