//! One possible cause, before the best is chosen.

use super::patterns::{Hit, Weight};
use super::verdict::{Blame, Confidence, Evidence};
use super::{Case, Predicted};
use crate::boot::stages::Stages;
use crate::boot::timeline::Observation;
use crate::critical_point::CriticalPoint;
use crate::stage::Stage;

/// A possible cause with its evidence.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The stage that is not completed.
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
    /// An observed cause that the image is to blame for.
    pub fn new(
        stage: Stage,
        critical_point: impl Into<Option<CriticalPoint>>,
        cause_id: &str,
        cause: impl Into<String>,
    ) -> Candidate {
        Candidate {
            stage,
            critical_point: critical_point.into(),
            cause_id: cause_id.to_owned(),
            cause: cause.into(),
            blame: Blame::Image,
            confidence: Confidence::Observed,
            specific: 5,
            evidence: Vec::new(),
            t: 0.0,
        }
    }

    /// Says how exactly the evidence names the cause.
    pub fn specific(mut self, specific: u8) -> Candidate {
        self.specific = specific;
        self
    }

    /// Says who must act.
    pub fn blame(mut self, blame: Blame) -> Candidate {
        self.blame = blame;
        self
    }

    /// Nothing said it outright.
    pub fn inferred(mut self) -> Candidate {
        self.confidence = Confidence::Inferred;
        self
    }

    /// Adds evidence; the time of the first that has one is the candidate's.
    pub fn because(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Candidate {
        self.evidence.extend(evidence);
        self.t = self.evidence.iter().find_map(|e| e.t).unwrap_or(0.0);
        self
    }

    /// From a line that matched the table.
    pub fn from_hit(hit: &Hit) -> Candidate {
        let pattern = hit.pattern;
        Candidate::new(
            pattern.stage,
            pattern.critical_point,
            pattern.cause,
            hit.sentence.clone(),
        )
        .specific(pattern.specific)
        .blame(pattern.blame)
        .because([evidence_of_hit(hit)])
    }

    /// From what inspect said, when the boot itself said nothing.
    pub fn from_prediction(predicted: &Predicted) -> Candidate {
        Candidate::new(
            predicted.stage,
            predicted.critical_point,
            &predicted.rule,
            predicted.message.clone(),
        )
        .specific(0)
        .inferred()
        .because([evidence_of_prediction(predicted)])
    }

    /// A finding that explains what the boot only showed the effect of. The stage stays the one that was seen to fail.
    pub fn explained_by(&mut self, predicted: &Predicted) {
        if self.cause_id != predicted.rule {
            self.cause_id.clone_from(&predicted.rule);
            self.cause.clone_from(&predicted.message);
            self.critical_point = Some(predicted.critical_point);
        }
        self.evidence.push(evidence_of_prediction(predicted));
    }
}

/// Whether a hit can still be the reason, given how far the boot came. A boot option that failed before the next one
/// worked, or a harmless message, is refuted by the stages behind it.
pub fn stands(hit: &Hit, stages: &Stages) -> bool {
    let Some(furthest) = stages.furthest() else {
        return true;
    };
    let near = furthest as usize <= hit.pattern.stage as usize + 1;
    let last = stages
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
        source: hit.source.id().to_owned(),
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
        source: observation.source.id().to_owned(),
        text: text.into(),
    }
}

/// How far the boot came, as evidence for what did not come.
pub fn last_sign_of_life(case: &Case<'_>, missing: Stage) -> Evidence {
    let last = case
        .stages
        .furthest()
        .and_then(|s| case.stages.get(s).map(|r| (s, r)));
    let (t, text) = match last {
        Some((stage, reached)) => (
            Some(reached.t),
            format!(
                "last sign of life: {stage} ({}); `{missing}` was not completed",
                reached.evidence
            ),
        ),
        None => (None, "nothing was seen of the guest at all".to_owned()),
    };
    Evidence {
        t,
        source: "doctor".into(),
        text,
    }
}
