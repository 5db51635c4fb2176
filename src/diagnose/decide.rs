//! Chooses the cause that the evidence supports best. When nothing supports one, says so.

use super::candidate::{Candidate, evidence_of_hit, last_sign_of_life, stands};
use super::device::{self, DeviceState};
use super::patterns::{Hit, scan};
use super::unit::{self, Story};
use super::unit_outcome::{Outcome, UnitNames, UnitOutcome, outcome};
use super::verdict::{Alternative, Blame, Verdict};
use super::{Case, Predicted, advice, explain, host, progress, reached, reconsider, shell};
use crate::boot::outcome::Ended;
use crate::stage::Stage;

/// Evidence kept in a verdict.
const MAX_EVIDENCE: usize = 8;
/// A hit below this only says that something went wrong.
const VAGUE: u8 = 3;
/// A race lost by more than this is lost every time; nothing that differs from boot to boot takes so long.
const RACY_MS: f64 = 3000.0;

/// The verdict over a boot or a saved log.
pub fn verdict(case: &Case<'_>) -> Verdict {
    if case.stages.reached(Stage::Shell) && !shell::lost_again(case) {
        return reached::verdict(case);
    }
    let names = UnitNames {
        name: case.names.unit.clone(),
        description: case.description.map(str::to_owned),
    };
    let outcome = outcome(case.timeline, &names);
    let device = device::state(case.timeline, &case.names.profile.module);
    let story = Story {
        case,
        outcome: &outcome,
        device: &device,
    };
    let hits: Vec<Hit> = scan(case.timeline)
        .into_iter()
        .filter(|h| stands(h, case.stages))
        .collect();
    let mut candidates: Vec<Candidate> = hits
        .iter()
        .map(|hit| reconsider::hit(Candidate::from_hit(hit), hit, case))
        .collect();
    candidates.extend(host::candidate(case));
    candidates.extend(shell::candidate(case));
    candidates.extend(unit::candidate(story));
    let stopped = progress::stopped_at(case, &device);
    let chosen = match best(&candidates) {
        Some(at) => {
            let mut chosen = candidates.swap_remove(at);
            // These can happen at any time; where the boot stopped is known.
            if ["kernel-panic", "memory-too-small"].contains(&chosen.cause_id.as_str())
                && chosen.stage == Stage::Kernel
            {
                chosen.stage = stopped;
            }
            support(&mut chosen, case, &hits);
            chosen
        }
        None => silent(case, stopped),
    };
    assemble(chosen, margin(&outcome, &device), case)
}

/// The most exact evidence wins; of equals the one about the later stage, then the earlier line.
fn best(candidates: &[Candidate]) -> Option<usize> {
    candidates
        .iter()
        .enumerate()
        .max_by(|(_, a), (_, b)| {
            (a.specific, a.stage)
                .cmp(&(b.specific, b.stage))
                .then(b.t.total_cmp(&a.t))
        })
        .map(|(at, _)| at)
}

/// Other lines about the same stage, and the finding that explains what was seen.
fn support(chosen: &mut Candidate, case: &Case<'_>, hits: &[Hit]) {
    for hit in hits {
        let known = chosen.evidence.iter().any(|e| e.text == hit.text);
        if !known && hit.pattern.stage == chosen.stage && chosen.evidence.len() < MAX_EVIDENCE - 2 {
            chosen.evidence.push(evidence_of_hit(hit));
        }
    }
    match explain::finding(&chosen.cause_id, case.predicted) {
        Some(finding) => chosen.explained_by(finding),
        None if chosen.specific <= VAGUE => {
            // The effect was seen; what is behind it was not.
            *chosen = chosen.clone().inferred();
        }
        None => {}
    }
}

/// The boot said nothing that names a cause: what inspect knows about the place where it stopped, else the place alone.
fn silent(case: &Case<'_>, stopped: Stage) -> Candidate {
    let mut fitting: Vec<Predicted> = case
        .predicted
        .iter()
        .filter(|p| p.error && progress::fits(p.stage, stopped))
        .cloned()
        .collect();
    fitting.sort_by_key(|p| p.stage);
    let errors: Vec<Predicted> = case.predicted.iter().filter(|p| p.error).cloned().collect();
    let explains = explain::finding(progress::silent_cause(stopped), &errors);
    if let Some(finding) = explains.or(fitting.first()) {
        let mut found = Candidate::from_prediction(finding);
        // What systemd itself fails at shows late.
        if found.stage != Stage::Systemd {
            found.stage = stopped;
        }
        return found.because([last_sign_of_life(case, stopped)]);
    }
    let (id, cause) = match case.ended {
        Some(Ended::Timeout { seconds }) => (
            "timeout",
            format!(
                "the boot was still going on after {seconds:.0} s, before `{stopped}` was completed"
            ),
        ),
        Some(Ended::Interrupted { .. }) => (
            "interrupted",
            format!("the boot was interrupted before `{stopped}` was completed"),
        ),
        Some(Ended::LogEnds) | None => {
            // A saved console that falls silent says nothing about the guest.
            let last = case.stages.furthest().unwrap_or(Stage::Host);
            let cause = format!(
                "the log shows nothing after `{last}`, and a guest with `quiet`, or with its console on another port, would look \
                 the same: `isar-doctor boot --trace` sees more"
            );
            return Candidate::new(stopped, None, "unknown", cause)
                .specific(0)
                .inferred()
                .blame(Blame::Unknown)
                .because([last_sign_of_life(case, stopped)]);
        }
        _ => (
            "unknown",
            format!(
                "the boot stopped before `{stopped}` was completed, and neither the guest nor the image says why"
            ),
        ),
    };
    Candidate::new(stopped, progress::critical_point(stopped), id, cause)
        .specific(0)
        .inferred()
        .blame(Blame::Unknown)
        .because([last_sign_of_life(case, stopped)])
}

/// From the condition's check to the device, when the unit was skipped for it.
fn margin(outcome: &UnitOutcome, device: &DeviceState) -> Option<f64> {
    match outcome.outcome {
        Outcome::Skipped { .. } => device::margin_ms(outcome.guest?, device),
        _ => None,
    }
}

fn assemble(mut chosen: Candidate, margin: Option<f64>, case: &Case<'_>) -> Verdict {
    let foreseen: Vec<String> = case
        .predicted
        .iter()
        .filter(|p| p.rule == chosen.cause_id)
        .map(|p| p.rule.clone())
        .collect();
    let alternatives = case
        .predicted
        .iter()
        .filter(|p| p.error && p.rule != chosen.cause_id)
        .filter(|p| p.stage == chosen.stage || explain::could_explain(&chosen.cause_id, &p.rule))
        .map(|p| Alternative {
            critical_point: p.critical_point,
            cause_id: p.rule.clone(),
            cause: p.message.clone(),
        })
        .collect();
    let race = chosen.cause_id == unit::RACE;
    chosen.evidence.truncate(MAX_EVIDENCE);
    Verdict {
        reached: false,
        stage: Some(chosen.stage),
        critical_point: chosen.critical_point,
        fix: advice::fix(&chosen.cause_id, case.predicted, &case.names.profile),
        cause_id: Some(chosen.cause_id),
        cause: Some(chosen.cause),
        blame: chosen.blame,
        confidence: chosen.confidence,
        racy: race && margin.is_some_and(|ms| ms > -RACY_MS),
        margin_ms: margin.filter(|_| race),
        accepted: None,
        unhealthy: None,
        evidence: chosen.evidence,
        alternatives,
        experiments: Vec::new(),
        foreseen_by: foreseen,
        blind: case.blind.to_vec(),
    }
}

#[cfg(test)]
mod tests;
