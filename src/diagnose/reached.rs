//! The shell answered: is the guest healthy, and would another boot end the same way?

use super::candidate::{Candidate, evidence_of, evidence_of_hit, evidence_of_prediction, stands};
use super::device::{self, margin_ms};
use super::patterns::{Weight, scan};
use super::unit_outcome::{UnitNames, outcome};
use super::verdict::{Blame, Confidence, Evidence, Verdict};
use super::{Case, Predicted, advice, explain, unit::RACE, words};
use crate::boot::interview::OWNERS;
use crate::boot::timeline::{Event, Observation, Source};
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;
use std::collections::BTreeSet;

/// The rule that finds such a login program offline.
const LOGIN: &str = "getty-owns-shell-device";

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
        accepted: race.and_then(Predicted::accepted),
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
    if race.is_none()
        && let Some((times, last)) = restarts(case)
    {
        verdict.racy = true;
        let cause = format!(
            "{} failed {times} time{} before its shell answered: another boot may use up its start limit first",
            case.names.unit,
            if times == 1 { "" } else { "s" }
        );
        let found = Candidate::new(Stage::Script, Cp::ScriptRunnable, "unit-restarted", cause)
            .because([last]);
        adopt(&mut verdict, case, found);
    }
    if let Some((login, answer)) = login_on_device(case) {
        // Which of the two gets a line is chance.
        verdict.racy = true;
        verdict.accepted = None;
        let cause = format!(
            "{login} has /dev/{} open beside the shell: the two take each other's input",
            case.names.profile.device
        );
        let found = Candidate::new(Stage::Shell, Cp::GettyMasking, LOGIN, cause).because([answer]);
        adopt(&mut verdict, case, found);
    }
    if let Some(trouble) = trouble(case) {
        verdict.unhealthy = Some(trouble.cause.clone());
        adopt(&mut verdict, case, trouble);
    }
    verdict
}

/// Takes a cause over when there is none yet, and its evidence in any case.
fn adopt(verdict: &mut Verdict, case: &Case<'_>, found: Candidate) {
    if verdict.cause_id.is_none() {
        verdict.critical_point = found.critical_point;
        verdict.fix = advice::fix(&found.cause_id, case.predicted, &case.names.profile);
        verdict.foreseen_by = case
            .predicted
            .iter()
            .filter(|p| p.rule == found.cause_id)
            .map(|p| p.rule.clone())
            .collect();
        verdict.cause_id = Some(found.cause_id);
        verdict.cause = Some(found.cause);
        verdict.blame = found.blame;
    }
    verdict.evidence.extend(found.evidence);
}

/// How often systemd started the unit again before the shell answered, and its last word about it.
fn restarts(case: &Case<'_>) -> Option<(usize, Evidence)> {
    let answered = case.stages.get(Stage::Shell)?.t;
    let lines = case.timeline.iter().filter(|o| o.t <= answered);
    let again: Vec<(&Observation, &str)> = lines
        .filter_map(|o| Some((o, words::systemd(o)?)))
        .filter(|(_, text)| {
            text.starts_with(&case.names.unit) && text.contains("Scheduled restart job")
        })
        .collect();
    let counters: BTreeSet<&str> = again.iter().map(|(_, text)| *text).collect();
    let (observation, text) = again.last()?;
    Some((counters.len(), evidence_of(observation, *text)))
}

/// A login program that has the shell device open, as the guest itself says.
fn login_on_device(case: &Case<'_>) -> Option<(String, Evidence)> {
    let (observation, owners) = last_answer(case, OWNERS)?;
    let login = owners.lines().find_map(|line| {
        let (pid, name) = line.split_once(' ')?;
        let name = name.trim();
        let is_login = name.ends_with("getty") || matches!(name, "login" | "sulogin");
        is_login.then(|| format!("{name} (process {pid})"))
    })?;
    let words = format!("open by {}", owners.replace('\n', ", "));
    let evidence = evidence_of(observation, words);
    Some((login, evidence))
}

fn last_answer<'a>(case: &Case<'a>, part: &str) -> Option<(&'a Observation, String)> {
    case.timeline.iter().rev().find_map(|o| match &o.event {
        Event::ShellAnswered {
            command, output, ..
        } if command.contains(part) => Some((o, output.trim().to_owned())),
        _ => None,
    })
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
    start_unfinished(case).or_else(|| state_of_the_system(case))
}

/// The unit's start is not complete although its shell answers: systemd will end it.
fn start_unfinished(case: &Case<'_>) -> Option<Candidate> {
    let (observation, answer) = last_answer(case, "TimeoutStartUSec")?;
    let property = |name: &str| {
        let values = answer.lines().filter_map(|l| l.split_once('='));
        values
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
            .next()
    };
    let timeout = property("TimeoutStartUSec").filter(|t| *t != "infinity")?;
    let kind = property("Type")?;
    (property("ActiveState")? == "activating").then(|| {
        let cause = format!(
            "{} is still being started (Type={kind}): systemd will end it, and the shell with it, after {timeout}",
            case.names.unit
        );
        let said = format!("ActiveState=activating, Type={kind}, TimeoutStartUSec={timeout}");
        Candidate::new(Stage::Shell, Cp::ScriptRunnable, "unit-start-timeout", cause).because([evidence_of(observation, said)])
    })
}

/// What `systemctl is-system-running` and `--failed` answered last.
fn state_of_the_system(case: &Case<'_>) -> Option<Candidate> {
    let last = |part: &str| last_answer(case, part);
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
