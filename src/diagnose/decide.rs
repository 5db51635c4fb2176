//! Chooses the cause that the evidence supports best. When nothing supports one, says so.

use super::candidate::{Candidate, evidence_of_hit, evidence_of_prediction, stands};
use super::patterns::{Hit, scan};
use super::unit_outcome::{Outcome, UnitNames, outcome};
use super::verdict::{Alternative, Blame, Confidence, Evidence, Verdict};
use super::{Case, Predicted, advice, device, reached, unit_cause};
use crate::boot::outcome::Ended;
use crate::boot::timeline::Event;
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;

/// The verdict over a boot or a saved log.
pub fn verdict(case: &Case<'_>) -> Verdict {
    if case.stages.reached(Stage::Shell) && !lost_again(case) {
        return reached::verdict(case);
    }
    let names = UnitNames {
        name: case.names.unit.clone(),
        description: case.description.map(str::to_owned),
    };
    let unit = outcome(case.timeline, &names);
    let device = device::state(case.timeline, &case.names.profile.module);
    let hits: Vec<Hit> = scan(case.timeline)
        .into_iter()
        .filter(|h| stands(h, case))
        .collect();
    let mut candidates: Vec<Candidate> = hits.iter().map(Candidate::from_hit).collect();
    candidates.extend(machine(case));
    candidates.extend(shell_without_protocol(case));
    candidates.extend(unit_cause::candidate(case, &unit, &device));
    let best = candidates
        .iter()
        .enumerate()
        .max_by(|(_, a), (_, b)| {
            (a.specific, a.stage)
                .cmp(&(b.specific, b.stage))
                .then(b.t.total_cmp(&a.t))
        })
        .map(|(i, _)| i);
    let chosen = match best {
        Some(i) => refine(candidates.swap_remove(i), case, &hits),
        None => silent(case, &device, &unit.outcome),
    };
    let margin = match unit.outcome {
        Outcome::Skipped { .. } => unit
            .guest
            .and_then(|check| device::margin_ms(check, &device)),
        _ => None,
    };
    assemble(chosen, margin, case)
}

/// QEMU itself: the VM in `internal-error`, gone before the firmware, or reset for ever.
fn machine(case: &Case<'_>) -> Option<Candidate> {
    let internal_error = case
        .timeline
        .iter()
        .find(|o| matches!(&o.event, Event::RunState { state } if state == "internal-error"));
    if let Some(o) = internal_error {
        return Some(host(
            "kvm-broken",
            "the virtual machine stopped with an internal error",
            o,
            7,
        ));
    }
    if case.stages.reached(Stage::Kernel) || !matches!(case.ended, Some(Ended::MachineGone)) {
        return None;
    }
    let exit = case
        .timeline
        .iter()
        .rev()
        .find(|o| matches!(o.event, Event::QemuExit { .. }))?;
    Some(host(
        "qemu-exited",
        "QEMU ended before a kernel was started",
        exit,
        1,
    ))
}

fn host(id: &str, cause: &str, o: &crate::boot::timeline::Observation, specific: u8) -> Candidate {
    Candidate {
        stage: Stage::Host,
        critical_point: Some(Cp::Host),
        cause_id: id.to_owned(),
        cause: cause.to_owned(),
        blame: Blame::Host,
        confidence: Confidence::Observed,
        specific,
        evidence: vec![super::candidate::evidence_of(o, format!("{:?}", o.event))],
        t: o.t,
    }
}

/// The shell answered, and later something else took the terminal. An answer that merely came too late is not that.
fn lost_again(case: &Case<'_>) -> bool {
    case.timeline
        .iter()
        .rev()
        .find_map(|o| match &o.event {
            Event::ShellBroken { got, .. } => Some(intruder(got).is_some()),
            Event::ShellAnswered { .. } => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

/// What the bytes in place of an answer give away: critical point, cause id, cause.
fn intruder(got: &str) -> Option<(Cp, &'static str, &'static str)> {
    // agetty resets the terminal (soft reset, colours) before it prints its prompt. The driver's transcript may show escapes spelled out.
    let getty = ["login:", "\u{1b}[!p", "\u{1b}]104", "u{1b}[!p", "u{1b}]104"];
    let kernel = |l: &str| l.trim_start().starts_with('[') && l.contains("] ") && l.contains('.');
    if getty.iter().any(|mark| got.contains(mark)) {
        Some((
            Cp::GettyMasking,
            "getty-owns-shell-device",
            "a getty takes the shell device over: its terminal reset or login prompt came in place of an answer",
        ))
    } else if got.contains("base64 -w 0") || got.contains("PIPESTATUS") {
        Some((
            Cp::StdioRedirect,
            "shell-not-raw",
            "the terminal echoes what the driver sends: `stty raw -echo` is missing",
        ))
    } else if got.lines().any(kernel) {
        Some((
            Cp::CmdlineConsole,
            "console-on-shell-device",
            "log text comes in place of an answer: something writes to the shell device",
        ))
    } else if got.contains("# ") || got.contains("$ ") || got.contains("job control") {
        Some((
            Cp::StdioRedirect,
            "shell-interactive",
            "the shell is interactive: its prompt gets into the driver's protocol",
        ))
    } else {
        None
    }
}

/// The magic line came and the protocol does not work.
fn shell_without_protocol(case: &Case<'_>) -> Option<Candidate> {
    let magic = case
        .timeline
        .iter()
        .find(|o| matches!(o.event, Event::MagicLine { .. }))?;
    let broken = case.timeline.iter().rev().find_map(|o| match &o.event {
        Event::ShellBroken { got, .. } => Some((o, got)),
        _ => None,
    })?;
    let (o, got) = broken;
    let (point, id, cause) = intruder(got).unwrap_or((
        Cp::StdioRedirect,
        "shell-no-answer",
        "the shell does not answer the driver's protocol",
    ));
    let specific = if id == "shell-no-answer" { 4 } else { 8 };
    Some(Candidate {
        stage: Stage::Shell,
        critical_point: Some(point),
        cause_id: id.to_owned(),
        cause: cause.to_owned(),
        blame: Blame::Image,
        confidence: Confidence::Observed,
        specific,
        evidence: vec![
            super::candidate::evidence_of(magic, "the magic line arrived"),
            super::candidate::evidence_of(o, format!("instead of an answer: {got:?}")),
        ],
        t: o.t,
    })
}

/// Takes the finding that explains the observed effect, when there is one about the same critical point.
fn refine(mut candidate: Candidate, case: &Case<'_>, hits: &[Hit]) -> Candidate {
    for hit in hits {
        let known = candidate.evidence.iter().any(|e| e.text == hit.text);
        if !known && hit.pattern.stage == candidate.stage && candidate.evidence.len() < 6 {
            candidate.evidence.push(evidence_of_hit(hit));
        }
    }
    let same_point: Vec<&Predicted> = case
        .predicted
        .iter()
        .filter(|p| Some(p.critical_point) == candidate.critical_point)
        .collect();
    if let Some(same) = same_point.iter().find(|p| p.rule == candidate.cause_id) {
        candidate.evidence.push(evidence_of_prediction(same));
    } else if let Some(better) = same_point
        .iter()
        .find(|p| p.error)
        .or(same_point.first().filter(|_| candidate.specific < 4))
    {
        candidate.refine(better);
    }
    candidate
}

/// The boot said nothing that names a cause: what inspect knows about the place where it stopped, else the place alone.
fn silent(case: &Case<'_>, device: &device::DeviceState, unit: &Outcome) -> Candidate {
    let missing = case.stages.first_missing().unwrap_or(Stage::Shell);
    let furthest = case.stages.furthest().unwrap_or(Stage::Host);
    let fits = |p: &&Predicted| p.stage >= furthest.min(missing);
    let mut errors: Vec<&Predicted> = case
        .predicted
        .iter()
        .filter(|p| p.error)
        .filter(fits)
        .collect();
    errors.sort_by_key(|p| p.stage);
    if let Some(first) = errors.first() {
        let mut candidate = Candidate::from_prediction(first);
        candidate.evidence.push(stopped(case, missing));
        return candidate;
    }
    if missing == Stage::Device && device.watched && *unit == Outcome::NeverMentioned {
        let none = super::unit_outcome::UnitOutcome {
            outcome: Outcome::NeverMentioned,
            index: None,
            guest: None,
        };
        return unit_cause::no_device(case, &none, device, vec![stopped(case, missing)]);
    }
    // A saved console that falls silent says nothing about the guest.
    let (critical_point, cause) = if matches!(case.ended, Some(Ended::LogEnds) | None) {
        let cause = format!(
            "the log shows nothing after `{furthest}`, and a guest with `quiet`, or with its console on another port, would look the \
             same: `isar-doctor boot --trace` sees more"
        );
        (None, cause)
    } else {
        let cause = format!(
            "the boot stopped before `{missing}`, and neither the guest nor the image says why"
        );
        (default_point(missing), cause)
    };
    Candidate {
        stage: missing,
        critical_point,
        cause_id: "unknown".into(),
        cause,
        blame: Blame::Unknown,
        confidence: Confidence::Inferred,
        specific: 0,
        evidence: vec![stopped(case, missing)],
        t: 0.0,
    }
}

fn stopped(case: &Case<'_>, missing: Stage) -> Evidence {
    let last = case
        .stages
        .furthest()
        .and_then(|s| case.stages.get(s).map(|r| (s, r)));
    let (t, text) = match last {
        Some((stage, reached)) => (
            Some(reached.t),
            format!(
                "last sign of life: {stage} ({}); `{missing}` never came",
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

/// The critical point that a stage stands for when nothing names a better one.
fn default_point(stage: Stage) -> Option<Cp> {
    match stage {
        Stage::Host => Some(Cp::Host),
        Stage::Firmware => Some(Cp::FirmwareEntry),
        Stage::Bootloader => Some(Cp::LoaderEntry),
        Stage::Kernel | Stage::Initrd => Some(Cp::KernelInitrd),
        Stage::Rootfs => Some(Cp::RootDevice),
        Stage::Systemd => Some(Cp::Init),
        Stage::Device => Some(Cp::VirtioConsoleModule),
        Stage::Unit | Stage::Script | Stage::Shell => None,
    }
}

fn assemble(chosen: Candidate, margin: Option<f64>, case: &Case<'_>) -> Verdict {
    let foreseen: Vec<String> = case
        .predicted
        .iter()
        .filter(|p| p.rule == chosen.cause_id)
        .map(|p| p.rule.clone())
        .collect();
    let alternatives = case
        .predicted
        .iter()
        .filter(|p| p.error && p.rule != chosen.cause_id && p.stage == chosen.stage)
        .map(|p| Alternative {
            critical_point: p.critical_point,
            cause_id: p.rule.clone(),
            cause: p.message.clone(),
        })
        .collect();
    Verdict {
        reached: false,
        stage: Some(chosen.stage),
        critical_point: chosen.critical_point,
        fix: advice::fix(&chosen.cause_id, case.predicted),
        cause_id: Some(chosen.cause_id),
        cause: Some(chosen.cause),
        blame: chosen.blame,
        confidence: chosen.confidence,
        racy: margin.is_some_and(|ms| ms > -3000.0),
        margin_ms: margin,
        unhealthy: None,
        evidence: chosen.evidence,
        alternatives,
        experiments: Vec::new(),
        foreseen_by: foreseen,
        blind: case.blind.to_vec(),
    }
}
