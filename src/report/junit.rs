//! JUnit XML: one test suite an image, one test case a critical point.

use super::safe::safe;
use super::{Inspection, Judged};
use crate::checks::points::State;
use crate::critical_point::CriticalPoint;
use crate::rules::Severity;
use std::fmt::Write as _;

/// XML 1.0 text; characters that XML cannot hold were made visible by `safe`.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            out.push('\n');
        }
        for c in safe(line).chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
    }
    out
}

/// All images.
pub fn render(inspections: &[Inspection]) -> String {
    let mut suites = String::new();
    let (mut all, mut failed, mut broken) = (0, 0, 0);
    for inspection in inspections {
        let (tests, failures, errors, cases) = suite(inspection);
        all += tests;
        failed += failures;
        broken += errors;
        let name = escape(&inspection.path);
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{}\" time=\"0\">\n{cases}  </testsuite>",
            cases.matches("<skipped").count()
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"isar-doctor\" tests=\"{all}\" failures=\"{failed}\" errors=\"{broken}\" time=\"0\">\n{suites}</testsuites>\n"
    )
}

fn suite(inspection: &Inspection) -> (usize, usize, usize, String) {
    let mut cases = String::new();
    let judged = match &inspection.outcome {
        Ok(judged) => judged,
        Err(error) => {
            let text = escape(&error.to_string());
            let _ = writeln!(
                cases,
                "    <testcase classname=\"isar-doctor\" name=\"readable\" time=\"0\">\n      <error message=\"{text}\" type=\"unreadable\">{text}</error>\n    </testcase>"
            );
            return (1, 0, 1, cases);
        }
    };
    let mut failures = 0;
    for point in CriticalPoint::ALL {
        let _ = write!(
            cases,
            "    <testcase classname=\"isar-doctor\" name=\"{point}\" time=\"0\">"
        );
        let findings: Vec<_> = judged
            .judgement
            .findings
            .iter()
            .filter(|f| f.critical_point == *point)
            .collect();
        let text: String = findings
            .iter()
            .map(|f| {
                format!(
                    "{} [{}] {}: {}\nfix: {}\n",
                    f.severity.id(),
                    f.rule,
                    f.location,
                    f.message,
                    f.fix
                )
            })
            .collect();
        let row = judged.judgement.points.iter().find(|p| p.id == *point);
        match row.map_or(State::NotApplicable, |p| p.state) {
            // The baseline knows all that is wrong here.
            State::Violated if !fresh(judged, *point) => {
                let text = format!(
                    "known by the baseline:\n{text}{}",
                    consequences(judged, *point)
                );
                let _ = write!(
                    cases,
                    "\n      <system-out>{}</system-out>\n    ",
                    escape(&text)
                );
            }
            State::Violated => {
                failures += 1;
                let follows = consequences(judged, *point);
                let text = format!("{text}{follows}");
                let first = findings
                    .first()
                    .map_or(follows.as_str(), |f| f.message.as_str());
                let kind = findings.first().map_or("", |f| f.rule.as_str());
                let _ = write!(
                    cases,
                    "\n      <failure message=\"{}\" type=\"{}\">{}</failure>\n    ",
                    escape(first),
                    escape(kind),
                    escape(&text)
                );
            }
            State::Warning => {
                let _ = write!(
                    cases,
                    "\n      <system-out>{}</system-out>\n    ",
                    escape(&text)
                );
            }
            State::CannotTell => {
                let why: String = judged
                    .judgement
                    .untold
                    .iter()
                    .filter(|u| u.critical_point == *point)
                    .map(|u| format!("{}: {}; ", u.rule, u.reason))
                    .collect();
                let _ = write!(
                    cases,
                    "\n      <skipped message=\"cannot tell: {}\"/>\n    ",
                    escape(&why)
                );
            }
            State::NotApplicable => {
                cases.push_str("\n      <skipped message=\"not applicable\"/>\n    ")
            }
            State::Ok => {}
        }
        cases.push_str("</testcase>\n");
    }
    (CriticalPoint::ALL.len(), failures, 0, cases)
}

/// Whether something is wrong at a point that the baseline does not know.
fn fresh(judged: &Judged, point: CriticalPoint) -> bool {
    judged.judgement.findings.iter().any(|f| {
        let own = f.critical_point == point && f.severity == Severity::Error;
        let follows = f.consequences.iter().any(|c| c.critical_point == point);
        (own || follows) && !f.known()
    })
}

/// What is wrong at a point only because of findings elsewhere.
fn consequences(judged: &Judged, point: CriticalPoint) -> String {
    let mut out = String::new();
    for finding in &judged.judgement.findings {
        for c in finding
            .consequences
            .iter()
            .filter(|c| c.critical_point == point)
        {
            let _ = writeln!(
                out,
                "[{}] follows from {}: {}",
                c.rule, finding.rule, c.message
            );
        }
    }
    out
}
