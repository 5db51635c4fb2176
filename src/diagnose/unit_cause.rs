//! Why the backdoor unit did not give a shell, once systemd was running.

use super::candidate::{Candidate, evidence_of};
use super::device::{DeviceState, margin_ms};
use super::patterns::text_of;
use super::unit_outcome::{Outcome, UnitOutcome};
use super::verdict::{Blame, Confidence, Evidence};
use super::{Case, Predicted};
use crate::boot::timeline::Source;
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;

/// The cause that follows from the unit's outcome and the device's state; none when neither says anything.
pub fn candidate(
    case: &Case<'_>,
    outcome: &UnitOutcome,
    device: &DeviceState,
) -> Option<Candidate> {
    let said = said(case, outcome);
    let unit = &case.names.unit;
    let observed = |stage, cp, id: &str, cause: String| {
        Some(build(
            stage,
            cp,
            id,
            cause,
            Confidence::Observed,
            7,
            said.clone(),
            case,
            outcome,
        ))
    };
    match &outcome.outcome {
        Outcome::Skipped { condition } => skipped(case, outcome, device, condition, said.clone()),
        Outcome::AssertFailed { assertion } => observed(
            Stage::Unit,
            Cp::ConditionPathExists,
            "condition-never-true",
            format!("{unit} failed its assertion {assertion}"),
        ),
        Outcome::DependencyFailed { dependency } => {
            dependency_failed(case, outcome, device, dependency.as_deref(), said.clone())
        }
        Outcome::Masked => observed(
            Stage::Unit,
            Cp::UnitEnabled,
            "backdoor-masked",
            format!("{unit} is masked"),
        ),
        Outcome::NotFound => observed(
            Stage::Unit,
            Cp::PackageInstalled,
            "backdoor-package-missing",
            format!("systemd has no {unit}"),
        ),
        Outcome::BadSetting { .. } => observed(
            Stage::Unit,
            Cp::ScriptRunnable,
            "backdoor-unit-bad-setting",
            format!("systemd refuses {unit}: bad unit file setting"),
        ),
        Outcome::DeletedFromCycle => observed(
            Stage::Unit,
            Cp::Init,
            "ordering-cycle",
            format!("systemd dropped {unit} to break an ordering cycle"),
        ),
        Outcome::ExecFailed { reason } => {
            let id = match reason.as_str() {
                r if r.contains("ermission denied") => "script-not-executable",
                r if r.contains("xec format") => "script-interpreter-missing",
                _ => "script-missing",
            };
            let why = if reason.is_empty() {
                "203/EXEC".to_owned()
            } else {
                reason.clone()
            };
            observed(
                Stage::Script,
                Cp::ScriptRunnable,
                id,
                format!("the program of {unit} could not be executed: {why}"),
            )
        }
        Outcome::SetupFailed { status } => observed(
            Stage::Script,
            Cp::StdioRedirect,
            "stdio-setup-failed",
            format!("systemd could not set up {unit}'s streams or sandbox: {status}"),
        ),
        Outcome::Failed {
            status,
            start_limit,
        } => Some(failed(case, outcome, status, *start_limit, said.clone())),
        Outcome::Stopped { by } => observed(
            Stage::Shell,
            Cp::GettyMasking,
            "unit-stopped",
            format!("{unit} was stopped again: {by}"),
        ),
        Outcome::Started => Some(silent_script(case, outcome, device, said.clone())),
        Outcome::Waiting { on } => observed(
            Stage::Unit,
            Cp::AfterDevice,
            "unit-waits-for-missing-device",
            format!("{unit} waits for {on}"),
        ),
        Outcome::NeverMentioned => None,
    }
}

fn skipped(
    case: &Case<'_>,
    outcome: &UnitOutcome,
    device: &DeviceState,
    condition: &str,
    said: Vec<Evidence>,
) -> Option<Candidate> {
    let unit = &case.names.unit;
    let path = format!("/dev/{}", case.names.profile.device);
    let about_device = condition.is_empty()
        && !has(case, "condition-never-true")
        && !has(case, "condition-path-never-exists")
        || condition.ends_with(&format!("={path}"));
    if !about_device {
        let is_path = condition.starts_with("ConditionPath")
            || condition.starts_with("ConditionFile")
            || condition.starts_with("ConditionDirectory");
        let id = if is_path {
            "condition-path-never-exists"
        } else {
            "condition-never-true"
        };
        return Some(build(
            Stage::Unit,
            Cp::ConditionPathExists,
            id,
            format!("{unit} was skipped: {condition} is not met in this guest"),
            Confidence::Observed,
            8,
            said,
            case,
            outcome,
        ));
    }
    if let Some(index) = device.index {
        let mut said = said;
        said.push(evidence_of(
            &case.timeline[index],
            format!("the driver of {path} is bound only now"),
        ));
        let late = outcome
            .guest
            .and_then(|check| margin_ms(check, device))
            .filter(|ms| *ms < 0.0);
        let by = late
            .map(|ms| format!(", {:.0} ms before the device appeared", -ms))
            .unwrap_or_default();
        let cause = format!(
            "{unit} checked {condition} once{by}, and was skipped for good: nothing pulls in dev-{}.device",
            case.names.profile.device
        );
        return Some(build(
            Stage::Unit,
            Cp::ConditionPathExists,
            "backdoor-device-not-pulled-in",
            cause,
            Confidence::Observed,
            9,
            said,
            case,
            outcome,
        ));
    }
    Some(no_device(case, outcome, device, said))
}

fn dependency_failed(
    case: &Case<'_>,
    outcome: &UnitOutcome,
    device: &DeviceState,
    dependency: Option<&str>,
    said: Vec<Evidence>,
) -> Option<Candidate> {
    let own = format!("dev-{}.device", case.names.profile.device);
    match dependency {
        Some(name)
            if name != own && !name.ends_with(&format!("/{}", case.names.profile.device)) =>
        {
            Some(build(
                Stage::Unit,
                Cp::AfterDevice,
                "unit-waits-for-missing-device",
                format!("{} requires {name}, which never appeared", case.names.unit),
                Confidence::Observed,
                8,
                said,
                case,
                outcome,
            ))
        }
        _ if device.bound.is_none() => Some(no_device(case, outcome, device, said)),
        _ => Some(build(
            Stage::Unit,
            Cp::AfterDevice,
            "unit-waits-for-missing-device",
            format!("a unit that {} requires failed", case.names.unit),
            Confidence::Observed,
            5,
            said,
            case,
            outcome,
        )),
    }
}

/// The device never came.
pub fn no_device(
    case: &Case<'_>,
    outcome: &UnitOutcome,
    device: &DeviceState,
    said: Vec<Evidence>,
) -> Candidate {
    let module = &case.names.profile.module;
    let dev = &case.names.profile.device;
    let (id, cause) = match (has(case, "udevd-disabled"), device.module_read) {
        (true, _) => (
            "udevd-disabled",
            format!("udevd does not run, so nothing loads {module} and no .device unit appears"),
        ),
        (false, Some(_)) => (
            "module-unloadable",
            format!(
                "{module} was read from the disk and never bound to the device: /dev/{dev} does not exist"
            ),
        ),
        (false, None) => (
            "virtio-console-missing",
            format!("{module} was never loaded: /dev/{dev} does not exist"),
        ),
    };
    let confidence = if device.watched {
        Confidence::Observed
    } else {
        Confidence::Inferred
    };
    build(
        Stage::Device,
        Cp::VirtioConsoleModule,
        id,
        cause,
        confidence,
        6,
        said,
        case,
        outcome,
    )
}

fn failed(
    case: &Case<'_>,
    outcome: &UnitOutcome,
    status: &str,
    start_limit: bool,
    mut said: Vec<Evidence>,
) -> Candidate {
    let unit = &case.names.unit;
    let words = script_words(case);
    let redirect = words.iter().any(|e| {
        e.text.contains("/dev/")
            && (e.text.contains("No such")
                || e.text.contains("ermission")
                || e.text.contains("cannot"))
    });
    let missing_tool =
        words.iter().any(|e| e.text.contains("command not found")) || status.starts_with("127");
    said.extend(words);
    let again = if start_limit {
        ", again and again, until systemd gave up"
    } else {
        ""
    };
    let what = if status.is_empty() {
        "with an error".to_owned()
    } else {
        format!("with status {status}")
    };
    let (stage, cp, id) = if missing_tool {
        (Stage::Script, Cp::ScriptRunnable, "script-tool-missing")
    } else if redirect {
        (
            Stage::Script,
            Cp::StdioRedirect,
            "script-redirects-elsewhere",
        )
    } else {
        (Stage::Script, Cp::StdioRedirect, "script-failed")
    };
    build(
        stage,
        cp,
        id,
        format!("the script of {unit} ended {what}{again}"),
        Confidence::Observed,
        6,
        said,
        case,
        outcome,
    )
}

/// What the script itself wrote to its log.
fn script_words(case: &Case<'_>) -> Vec<Evidence> {
    case.timeline
        .iter()
        .filter(|o| matches!(&o.event, crate::boot::timeline::Event::Journal { unit: Some(u), identifier, .. } if *u == case.names.unit && identifier.as_deref() != Some("systemd")))
        .filter_map(|o| Some(evidence_of(o, text_of(&o.event)?)))
        .take(3)
        .collect()
}

/// The unit was started, and no magic line came.
fn silent_script(
    case: &Case<'_>,
    outcome: &UnitOutcome,
    device: &DeviceState,
    said: Vec<Evidence>,
) -> Candidate {
    let dev = &case.names.profile.device;
    let magic = &case.names.profile.magic;
    // A redirection that failed leaves the script's output where systemd put it.
    let astray = case.timeline.iter().find(|o| {
        o.source == Source::Journal && text_of(&o.event).is_some_and(|t| t.contains(magic.as_str()))
    });
    if let Some(line) = astray {
        let mut said = said;
        said.push(evidence_of(line, text_of(&line.event).unwrap_or_default()));
        let cause = format!(
            "the magic line went to the journal and not to /dev/{dev}: the script's redirection failed or names another device"
        );
        return build(
            Stage::Shell,
            Some(Cp::StdioRedirect),
            "script-redirects-elsewhere",
            cause,
            Confidence::Observed,
            8,
            said,
            case,
            outcome,
        );
    }
    let (cp, id, cause) = if device.written {
        (
            Cp::StdioRedirect,
            "magic-line-missing",
            format!(
                "something was written to /dev/{dev}, but never the line {:?}",
                case.names.profile.magic
            ),
        )
    } else if has(case, "script-waits-for-missing-device") {
        (
            Cp::ScriptRunnable,
            "script-waits-for-missing-device",
            "the script waits for a device that this machine does not have".to_owned(),
        )
    } else {
        (
            Cp::StdioRedirect,
            "script-redirects-elsewhere",
            format!("the script was started and wrote nothing to /dev/{dev}"),
        )
    };
    build(
        Stage::Shell,
        Some(cp),
        id,
        cause,
        Confidence::Observed,
        3,
        said,
        case,
        outcome,
    )
}

fn has(case: &Case<'_>, rule: &str) -> bool {
    case.predicted.iter().any(|p: &Predicted| p.rule == rule)
}

fn said(case: &Case<'_>, outcome: &UnitOutcome) -> Vec<Evidence> {
    outcome
        .index
        .and_then(|i| case.timeline.get(i))
        .and_then(|o| Some(evidence_of(o, text_of(&o.event)?)))
        .into_iter()
        .collect()
}

#[allow(
    clippy::too_many_arguments,
    reason = "one constructor for the many arms above"
)]
fn build(
    stage: Stage,
    cp: impl Into<Option<Cp>>,
    id: &str,
    cause: String,
    confidence: Confidence,
    specific: u8,
    evidence: Vec<Evidence>,
    case: &Case<'_>,
    outcome: &UnitOutcome,
) -> Candidate {
    let t = outcome
        .index
        .and_then(|i| case.timeline.get(i))
        .map_or(0.0, |o| o.t);
    Candidate {
        stage,
        critical_point: cp.into(),
        cause_id: id.to_owned(),
        cause,
        blame: Blame::Image,
        confidence,
        specific,
        evidence,
        t,
    }
}
