//! One possible cause, before the best is chosen.

use super::patterns::{Hit, Weight};
use super::verdict::{Blame, Confidence, Evidence};
use super::{Case, Predicted};
use crate::boot::timeline::{Observation, Source};
use crate::critical_point::CriticalPoint;
use crate::stage::Stage;

/// A possible cause with its evidence.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Stage whose work failed.
    pub stage: Stage,
    /// Critical point; none when it could not be told.
    pub critical_point: Option<CriticalPoint>,
    /// Cause id.
    pub cause_id: String,
    /// Sentence.
    pub cause: String,
    /// Who must act.
    pub blame: Blame,
    /// How sure.
    pub confidence: Confidence,
    /// How exactly the evidence names the cause; higher wins.
    pub specific: u8,
    /// Evidence, most important first.
    pub evidence: Vec<Evidence>,
    /// Host time of the evidence.
    pub t: f64,
}

impl Candidate {
    /// From a line that matched the table.
    pub fn from_hit(hit: &Hit) -> Candidate {
        let blame = match (hit.pattern.stage, hit.pattern.cause) {
            (
                Stage::Host,
                "vde-socket-missing"
                | "cpu-host-without-kvm"
                | "firmware-pair-mismatch"
                | "qemu-device-unknown",
            ) => Blame::Launch,
            (_, "memory-too-small") => Blame::Launch,
            (Stage::Host, _) => Blame::Host,
            _ => Blame::Image,
        };
        Candidate {
            stage: hit.pattern.stage,
            critical_point: Some(hit.pattern.critical_point),
            cause_id: hit.pattern.cause.to_owned(),
            cause: hit.sentence.clone(),
            blame,
            confidence: Confidence::Observed,
            specific: hit.pattern.specific,
            evidence: vec![evidence_of_hit(hit)],
            t: hit.t,
        }
    }

    /// From what inspect said, when the boot itself said nothing.
    pub fn from_prediction(predicted: &Predicted) -> Candidate {
        Candidate {
            stage: predicted.stage,
            critical_point: Some(predicted.critical_point),
            cause_id: predicted.rule.clone(),
            cause: predicted.message.clone(),
            blame: Blame::Image,
            confidence: Confidence::Inferred,
            specific: 0,
            evidence: vec![evidence_of_prediction(predicted)],
            t: 0.0,
        }
    }

    /// A finding about the same critical point says more exactly what the boot only showed the effect of.
    pub fn refine(&mut self, predicted: &Predicted) {
        self.cause_id.clone_from(&predicted.rule);
        self.cause.clone_from(&predicted.message);
        self.evidence.push(evidence_of_prediction(predicted));
    }
}

/// Whether a hit can still be the reason, given how far the boot came. A boot option that failed before the next one
/// worked, or a harmless message, is refuted by the stages behind it.
pub fn stands(hit: &Hit, case: &Case<'_>) -> bool {
    let Some(furthest) = case.stages.furthest() else {
        return true;
    };
    let near = furthest as usize <= hit.pattern.stage as usize + 1;
    let last = case
        .stages
        .get(furthest)
        .is_none_or(|reached| hit.t + 0.5 >= reached.t);
    match hit.pattern.weight {
        Weight::Fatal => near || last,
        Weight::Hint => near || (last && hit.pattern.stage >= Stage::Systemd),
    }
}

/// A hit as evidence.
pub fn evidence_of_hit(hit: &Hit) -> Evidence {
    Evidence {
        t: Some(hit.t),
        source: source_id(hit.source).to_owned(),
        text: hit.text.clone(),
    }
}

/// A finding as evidence.
pub fn evidence_of_prediction(predicted: &Predicted) -> Evidence {
    Evidence {
        t: None,
        source: "inspect".into(),
        text: format!(
            "{}: {} ({})",
            predicted.location, predicted.message, predicted.rule
        ),
    }
}

/// An observation as evidence.
pub fn evidence_of(observation: &Observation, text: impl Into<String>) -> Evidence {
    Evidence {
        t: Some(observation.t),
        source: source_id(observation.source).to_owned(),
        text: text.into(),
    }
}

/// The source's id as in JSON.
pub fn source_id(source: Source) -> &'static str {
    match source {
        Source::Doctor => "doctor",
        Source::Qemu => "qemu",
        Source::Qmp => "qmp",
        Source::Serial => "serial",
        Source::Shell => "shell",
        Source::Virtio => "virtio",
        Source::Disk => "disk",
        Source::KernelLog => "kernel-log",
        Source::Journal => "journal",
        Source::Idle => "idle",
        Source::Guest => "guest",
    }
}
