//! The shell answered: is the guest healthy, and would another boot end the same way?

use super::candidate::{Candidate, evidence_of, evidence_of_hit, evidence_of_prediction, stands};
use super::device::{self, margin_ms};
use super::patterns::{Weight, scan};
use super::unit_outcome::{UnitNames, outcome};
use super::verdict::{Blame, Confidence, Evidence, Verdict};
use super::{Case, advice, explain, unit::RACE};
use crate::boot::timeline::{Event, Source};
use crate::stage::Stage;

/// Verdict over a boot whose shell answered.
pub fn verdict(case: &Case<'_>) -> Verdict {
    let names = UnitNames {
        name: case.names.unit.clone(),
        description: case.description.map(str::to_owned),
    };
    let device = device::state(case.timeline, &case.names.profile.module);
    let started = outcome(case.timeline, &names);
    let race = case.predicted.iter().find(|p| p.rule == RACE);
    let margin = started.guest.and_then(|check| margin_ms(check, &device));
    let mut verdict = Verdict {
        reached: true,
        stage: None,
        critical_point: None,
        cause_id: None,
        cause: None,
        blame: Blame::Unknown,
        confidence: Confidence::Observed,
        racy: race.is_some(),
        margin_ms: margin,
        unhealthy: None,
        evidence: answered(case),
        fix: None,
        alternatives: Vec::new(),
        experiments: Vec::new(),
        foreseen_by: Vec::new(),
        blind: case.blind.to_vec(),
    };
    if let Some(race) = race {
        let by = margin
            .map(|ms| format!(" by {ms:.0} ms"))
            .unwrap_or_default();
        verdict.critical_point = Some(race.critical_point);
        verdict.cause_id = Some(race.rule.clone());
        verdict.cause = Some(format!(
            "the race for /dev/{} was won{by} this time; nothing makes the unit wait for it",
            case.names.profile.device
        ));
        verdict.blame = Blame::Image;
        verdict.evidence.push(evidence_of_prediction(race));
        verdict.foreseen_by.push(race.rule.clone());
        verdict.fix = race.fix.clone();
    }
    if let Some(trouble) = trouble(case) {
        verdict.unhealthy = Some(trouble.cause.clone());
        if verdict.cause_id.is_none() {
            verdict.critical_point = trouble.critical_point;
            verdict.fix = advice::fix(&trouble.cause_id, case.predicted);
            verdict.foreseen_by = case
                .predicted
                .iter()
                .filter(|p| p.rule == trouble.cause_id)
                .map(|p| p.rule.clone())
                .collect();
            verdict.cause_id = Some(trouble.cause_id);
            verdict.cause = Some(trouble.cause);
            verdict.blame = trouble.blame;
        }
        verdict.evidence.extend(trouble.evidence);
    }
    verdict
}

fn answered(case: &Case<'_>) -> Vec<Evidence> {
    case.timeline
        .iter()
        .find_map(|o| match &o.event {
            Event::ShellAnswered {
                command,
                output,
                code,
            } => Some(evidence_of(
                o,
                format!(
                    "`{command}` answered {:?} with exit code {code}",
                    output.trim()
                ),
            )),
            _ => None,
        })
        .into_iter()
        .collect()
}

/// Emergency mode behind the shell's back, failed units, foreign text on the shell device.
fn trouble(case: &Case<'_>) -> Option<Candidate> {
    let hits = scan(case.timeline);
    let shell = case.stages.get(Stage::Shell).map_or(f64::MAX, |r| r.t);
    let late = hits
        .iter()
        .find(|h| h.pattern.weight == Weight::Fatal && h.t > shell && h.source != Source::Shell);
    if let Some(hit) = late {
        let mut candidate = Candidate::from_hit(hit);
        let hints = hits.iter().filter(|h| {
            h.pattern.stage == hit.pattern.stage
                && h.pattern.specific > hit.pattern.specific
                && h.t + 120.0 > hit.t
        });
        if let Some(better) = hints.max_by_key(|h| h.pattern.specific) {
            candidate = Candidate::from_hit(better);
            candidate.evidence.push(evidence_of_hit(hit));
        }
        if let Some(finding) = explain::finding(&candidate.cause_id, case.predicted) {
            candidate.explained_by(finding);
        }
        return Some(candidate);
    }
    if let Some(hit) = hits.iter().find(|h| {
        h.source == Source::Shell && h.pattern.stage == Stage::Shell && stands(h, case.stages)
    }) {
        return Some(Candidate::from_hit(hit));
    }
    state_of_the_system(case)
}

/// What `systemctl is-system-running` and `--failed` answered last.
fn state_of_the_system(case: &Case<'_>) -> Option<Candidate> {
    let last = |part: &str| {
        case.timeline.iter().rev().find_map(|o| match &o.event {
            Event::ShellAnswered {
                command, output, ..
            } if command.contains(part) => Some((o, output.trim().to_owned())),
            _ => None,
        })
    };
    let (observation, state) = last("is-system-running")?;
    if !matches!(state.as_str(), "degraded" | "maintenance" | "stopping") {
        return None;
    }
    let failed = last("--failed")
        .map(|(_, text)| text)
        .filter(|t| !t.is_empty());
    let units: Vec<_> = failed
        .iter()
        .flat_map(|t| t.lines())
        .filter_map(|l| l.split_whitespace().find(|w| w.contains('.')))
        .take(5)
        .collect();
    let which = if units.is_empty() {
        String::new()
    } else {
        format!(": failed units {}", units.join(", "))
    };
    Some(
        Candidate::new(
            Stage::Shell,
            None,
            &format!("system-{state}"),
            format!("the system is {state}{which}"),
        )
        .specific(1)
        .because([evidence_of(
            observation,
            format!("systemctl is-system-running: {state}"),
        )]),
    )
}
