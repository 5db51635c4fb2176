//! systemd made no job of the unit, or took it away again.

use super::dependency::{self, is_own};
use super::{Story, module};
use crate::boot::outcome::Ended;
use crate::boot::timeline::Observation;
use crate::critical_point::CriticalPoint as Cp;
use crate::diagnose::candidate::{Candidate, evidence_of};
use crate::diagnose::{jobs, words};
use crate::stage::Stage;

/// Masked.
pub fn masked(story: Story<'_>) -> Candidate {
    let cause = format!("{} is masked", story.unit());
    Candidate::new(Stage::Unit, Cp::UnitEnabled, "backdoor-masked", cause).specific(7)
}

/// Something wants it, and there is no such unit.
pub fn not_found(story: Story<'_>) -> Candidate {
    let cause = format!("systemd has no {}", story.unit());
    Candidate::new(
        Stage::Unit,
        Cp::PackageInstalled,
        "backdoor-package-missing",
        cause,
    )
    .specific(7)
}

/// The unit file is refused.
pub fn bad_setting(story: Story<'_>) -> Candidate {
    let cause = format!("systemd refuses {}: bad unit file setting", story.unit());
    Candidate::new(
        Stage::Unit,
        Cp::ScriptRunnable,
        "backdoor-unit-bad-setting",
        cause,
    )
    .specific(7)
}

/// Its job was on an ordering cycle.
pub fn deleted_from_cycle(story: Story<'_>) -> Candidate {
    let cause = format!(
        "systemd dropped {} to break an ordering cycle",
        story.unit()
    );
    Candidate::new(Stage::Unit, Cp::Init, "ordering-cycle", cause).specific(7)
}

/// Lines that say the initial transaction has been worked off.
const DONE: &[&str] = &[
    "Startup finished in",
    "Reached target multi-user.target",
    "Reached target Multi-User System",
    "Reached target graphical.target",
    "Reached target Graphical Interface",
];

/// The job that everything else most likely waits for: the shell device's own, another device's, or the last one begun.
fn blocking(story: Story<'_>) -> Option<jobs::Pending> {
    let mut pending = jobs::pending(story.case.timeline);
    let own = pending.iter().position(|job| is_own(story, &job.unit));
    let device = || {
        let device = |job: &jobs::Pending| job.unit.ends_with(".device");
        pending.iter().position(device)
    };
    let at = own.or_else(device).or(pending.len().checked_sub(1))?;
    Some(pending.swap_remove(at))
}

/// No log has a word about it although systemd was heard: it was never enqueued, or its job never got its turn.
pub fn never_mentioned(story: Story<'_>) -> Option<Candidate> {
    let case = story.case;
    if !case.stages.reached(Stage::Systemd) {
        return None;
    }
    let heard: Vec<&Observation> = case
        .timeline
        .iter()
        .filter(|o| words::systemd(o).is_some())
        .collect();
    let last = heard.last()?;
    let done = heard
        .iter()
        .rev()
        .find(|o| words::systemd(o).is_some_and(|text| DONE.iter().any(|d| text.starts_with(d))));
    if done.is_none()
        && let Some(job) = blocking(story)
    {
        let line = case.timeline.get(job.index)?;
        let said = evidence_of(line, words::text(line)?);
        if is_own(story, &job.unit) && story.device_never_came() {
            return Some(module::no_device(story).because([said]));
        }
        let mut found = dependency::waiting(story, &job.unit);
        found.cause = format!(
            "{} was still being started when the watching ended, and nothing was heard of {}",
            job.unit,
            story.unit()
        );
        return Some(found.specific(2).inferred().because([said]));
    }
    let quiet = matches!(
        case.ended,
        Some(Ended::Quiet { .. } | Ended::Spinning { .. } | Ended::LogEnds) | None
    );
    let witness = done.or(Some(last).filter(|_| quiet))?;
    let text = words::text(witness)?;
    Some(
        Candidate::new(
            Stage::Unit,
            Cp::UnitEnabled,
            "backdoor-not-enabled",
            format!(
                "systemd worked off its jobs and never started {}: nothing pulls it in, or it is not there",
                story.unit()
            ),
        )
        .specific(2)
        .inferred()
        .because([evidence_of(witness, text)]),
    )
}
