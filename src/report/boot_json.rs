//! The JSON form of a boot's result: a contract of its own, apart from the types inside.

use crate::boot::outcome::{Ended, HostFacts, Outcome};
use crate::boot::timeline::{Event, Observation};
use crate::critical_point::CriticalPoint;
use crate::diagnose::asked::{self, UnitReport};
use crate::diagnose::verdict::Verdict;
use crate::diagnose::{Predicted, Standing};
use crate::inspect::source::Location;
use crate::stage::Stage;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the contract.
pub const SCHEMA: &str = "isar-doctor/boot/1";

/// Result of `isar-doctor boot` and `isar-doctor replay`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct BootReport {
    /// `isar-doctor/boot/1`.
    pub schema: String,
    /// The image.
    pub image: Option<String>,
    /// The host.
    pub host: HostFacts,
    /// QEMU's argument vector.
    pub command: Vec<String>,
    /// What the doctor added to, or changed in, the arguments of the user and the test driver.
    pub added_by_doctor: Vec<String>,
    /// What was seen, by time.
    pub timeline: Vec<Entry>,
    /// Every stage.
    pub stages: BTreeMap<Stage, StageState>,
    /// Why the watching ended.
    pub ended: Ended,
    /// Where it stopped and why.
    pub verdict: Verdict,
    /// Units that were asked about with `--unit`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<UnitReport>,
    /// Findings about the image and about the QEMU arguments.
    pub findings: Vec<Finding>,
}

/// One observation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Entry {
    /// Host seconds since QEMU was started.
    pub t: f64,
    /// Furthest stage reached by then.
    pub stage: Option<Stage>,
    /// Who saw it.
    pub source: String,
    /// What kind of thing it is (`serial-line`, `disk-read`, `kernel-log`, …).
    pub kind: String,
    /// What was seen. Raw guest text.
    pub text: String,
}

/// State of a stage.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StageState {
    /// Reached.
    pub reached: bool,
    /// When, in host seconds since QEMU was started.
    pub t: Option<f64>,
    /// What proved it.
    pub evidence: Option<String>,
    /// Only a later stage proves it.
    pub implied: bool,
}

/// A finding, with a place in the image or in the QEMU arguments.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// Rule id.
    pub rule: String,
    /// `error` or `warning`.
    pub severity: String,
    /// Stage at which the boot fails.
    pub stage: Stage,
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// What is wrong.
    pub message: String,
    /// Place in the image; empty for the QEMU arguments.
    pub location: Location,
    /// The QEMU argument concerned, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// What to do.
    pub fix: Option<String>,
    /// Why the team's configuration accepts it: then it does not count for the exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<String>,
}

/// Makes the report.
pub fn report(outcome: &Outcome, verdict: Verdict, predicted: &[Predicted]) -> BootReport {
    let mut findings: Vec<Finding> = outcome
        .launch_findings
        .iter()
        .map(|f| Finding {
            rule: f.rule.clone(),
            severity: f.severity.clone(),
            stage: Stage::Host,
            critical_point: f.critical_point,
            message: f.message.clone(),
            location: Location::default(),
            argument: Some(f.argument.clone()),
            fix: Some(f.fix.clone()),
            suppressed: None,
        })
        .collect();
    findings.extend(predicted.iter().filter_map(of_the_image));
    BootReport {
        schema: SCHEMA.to_owned(),
        image: outcome.image.clone(),
        host: outcome.host.clone(),
        command: outcome.command.clone(),
        added_by_doctor: outcome.added_by_doctor.clone(),
        timeline: timeline(&outcome.timeline),
        stages: Stage::ALL
            .into_iter()
            .map(|stage| {
                let reached = outcome.stages.get(stage);
                let state = StageState {
                    reached: reached.is_some(),
                    t: reached.map(|r| r.t),
                    evidence: reached.map(|r| r.evidence.clone()),
                    implied: reached.is_some_and(|r| r.implied),
                };
                (stage, state)
            })
            .collect(),
        ended: outcome.ended.clone(),
        units: asked::reports(&outcome.timeline, &outcome.names.asked),
        verdict,
        findings,
    }
}

/// What inspect foresaw, as the configuration has it told.
fn of_the_image(p: &Predicted) -> Option<Finding> {
    let (error, suppressed) = match p.standing() {
        Standing::Error => (true, None),
        Standing::Warning => (false, None),
        Standing::Accepted(reason) => (p.error, Some(reason)),
        Standing::Off => return None,
    };
    Some(Finding {
        rule: p.rule.clone(),
        severity: if error { "error" } else { "warning" }.to_owned(),
        stage: p.stage,
        critical_point: p.critical_point,
        message: p.message.clone(),
        location: p.location.clone(),
        argument: None,
        fix: p.fix.clone(),
        suppressed,
    })
}

fn timeline(observations: &[Observation]) -> Vec<Entry> {
    let mut furthest: Option<Stage> = None;
    observations
        .iter()
        .map(|seen| {
            if let Event::StageReached { stage, .. } = seen.event {
                furthest = furthest.max(Some(stage));
            }
            Entry {
                t: seen.t,
                stage: furthest,
                source: seen.source.id().to_owned(),
                kind: seen.event.kind().to_owned(),
                text: seen.event.text(),
            }
        })
        .collect()
}

/// The JSON Schema of [`BootReport`].
pub fn schema() -> serde_json::Result<String> {
    serde_json::to_string_pretty(&schemars::schema_for!(BootReport)).map(|t| t + "\n")
}
