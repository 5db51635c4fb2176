//! What became of the units that the user asked about.

use super::jobs;
use super::unit_outcome::{Outcome, UnitNames, outcome};
use super::verdict::Evidence;
use super::{candidate::evidence_of, words};
use crate::boot::timeline::Observation;
use schemars::JsonSchema;
use serde::Serialize;

/// One unit that was asked about.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct UnitReport {
    /// Unit name.
    pub unit: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The same as a sentence.
    pub text: String,
    /// The line that says so.
    pub evidence: Option<Evidence>,
    /// Start jobs that still ran when the watching ended, when the unit's own was not over: what it may have waited for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
}

/// The reports, in the order of the question.
pub fn reports(timeline: &[Observation], asked: &[UnitNames]) -> Vec<UnitReport> {
    asked.iter().map(|unit| report(timeline, unit)).collect()
}

fn report(timeline: &[Observation], unit: &UnitNames) -> UnitReport {
    let found = outcome(timeline, unit);
    let line = found.index.and_then(|i| timeline.get(i));
    let over = !matches!(
        found.outcome,
        Outcome::NeverMentioned | Outcome::Waiting { .. }
    );
    let pending = if over {
        Vec::new()
    } else {
        let jobs = jobs::pending(timeline).into_iter();
        jobs.map(|job| job.unit).collect()
    };
    UnitReport {
        unit: unit.name.clone(),
        text: found.outcome.sentence(&unit.name),
        evidence: line.and_then(|o| Some(evidence_of(o, words::text(o)?))),
        outcome: found.outcome,
        pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::timeline::{Event, Source};

    fn line(t: f64, text: &str) -> Observation {
        Observation {
            t,
            source: Source::Serial,
            event: Event::SerialLine {
                port: 0,
                text: text.into(),
                partial: false,
            },
        }
    }

    #[test]
    fn units_that_ended_and_one_that_waits() {
        let timeline = [
            line(
                1.0,
                "[  OK  ] Started ssh.service - OpenBSD Secure Shell server.",
            ),
            line(2.0, "systemd[1]: Starting slow.service - Slow..."),
        ];
        let asked = ["ssh.service", "waiter.service"].map(|name| UnitNames {
            name: name.into(),
            description: None,
        });
        let reports = reports(&timeline, &asked);
        assert_eq!(reports[0].outcome, Outcome::Started);
        assert!(reports[0].evidence.is_some() && reports[0].pending.is_empty());
        assert_eq!(reports[1].outcome, Outcome::NeverMentioned);
        assert_eq!(reports[1].pending, ["slow.service"]);
    }
}
