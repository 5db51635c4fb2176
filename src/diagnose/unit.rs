//! Why the backdoor unit did not give a shell, once systemd was running: one file per family of causes.

mod condition;
mod dependency;
pub mod module;
mod program;
mod refused;

pub use condition::RACE;

use super::candidate::{Candidate, evidence_of};
use super::device::DeviceState;
use super::unit_outcome::{Outcome, UnitOutcome};
use super::verdict::Evidence;
use super::{Case, words};
use crate::boot::outcome::Ended;
use crate::boot::timeline::Event;
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;

/// What is known of the unit and its device.
#[derive(Clone, Copy)]
pub struct Story<'a> {
    /// Everything.
    pub case: &'a Case<'a>,
    /// What the logs say of the unit.
    pub outcome: &'a UnitOutcome,
    /// The shell device.
    pub device: &'a DeviceState,
}

impl<'a> Story<'a> {
    /// The unit's name.
    fn unit(&self) -> &'a str {
        &self.case.names.unit
    }

    /// `/dev/hvc0`
    fn path(&self) -> String {
        format!("/dev/{}", self.case.names.profile.device)
    }

    fn magic_came(&self) -> bool {
        let mut events = self.case.timeline.iter().map(|o| &o.event);
        events.any(|event| matches!(event, Event::MagicLine { .. }))
    }

    /// `dev-hvc0.device`
    fn device_unit(&self) -> String {
        format!("dev-{}.device", self.case.names.profile.device)
    }

    /// The line about the unit.
    fn said(&self) -> Vec<Evidence> {
        self.outcome
            .index
            .and_then(|i| self.case.timeline.get(i))
            .and_then(|o| Some(evidence_of(o, words::text(o)?)))
            .into_iter()
            .collect()
    }

    /// A rule of inspect was violated.
    fn foreseen(&self, rules: &[&str]) -> bool {
        self.case
            .predicted
            .iter()
            .any(|p| rules.contains(&p.rule.as_str()))
    }

    /// systemd waited for the shell device in vain.
    fn device_timed_out(&self) -> bool {
        let (unit, path) = (self.device_unit(), self.path());
        self.case.timeline.iter().any(|o| {
            words::log(o).is_some_and(|text| {
                text.contains("Timed out waiting for device")
                    && (text.contains(&unit) || text.contains(&path))
            })
        })
    }

    /// The device's driver was watched and never bound, nothing was ever written to it, and it had its time: a boot that
    /// was ended early for another reason says nothing about a device that comes late.
    fn device_never_came(&self) -> bool {
        let early = matches!(
            self.case.ended,
            Some(Ended::Conclusive { .. } | Ended::MachineGone | Ended::Interrupted { .. })
        );
        let had_its_time = !early || self.device_timed_out() || self.foreseen(NO_DEVICE);
        self.device.watched && self.device.bound.is_none() && !self.device.written && had_its_time
    }
}

/// Rules by which inspect foresees that the device never comes.
const NO_DEVICE: &[&str] = &[
    "udevd-disabled",
    "modules-version-mismatch",
    "virtio-console-blacklisted",
    "virtio-console-install-overridden",
    "virtio-console-missing",
    "module-unloadable",
    "module-index-stale",
];

/// The cause that follows from the unit's outcome and the device's state; none when neither says anything.
pub fn candidate(story: Story<'_>) -> Option<Candidate> {
    let found = match &story.outcome.outcome {
        Outcome::Skipped { condition } => condition::skipped(story, condition),
        Outcome::AssertFailed { assertion } => condition::asserted(story, assertion),
        Outcome::DependencyFailed { dependency } => {
            dependency::failed(story, dependency.as_deref())
        }
        Outcome::Waiting { on } => dependency::waiting(story, on),
        Outcome::Masked => refused::masked(story),
        Outcome::NotFound => refused::not_found(story),
        Outcome::BadSetting { .. } => refused::bad_setting(story),
        Outcome::DeletedFromCycle => refused::deleted_from_cycle(story),
        Outcome::ExecFailed { reason } => program::not_executed(story, reason),
        Outcome::SetupFailed { status } => program::not_set_up(story, status),
        Outcome::Failed {
            status,
            start_limit,
        } => program::failed(story, status, *start_limit),
        Outcome::StartTimedOut => program::start_timed_out(story),
        Outcome::Stopped { by } => Candidate::new(
            Stage::Shell,
            Cp::GettyMasking,
            "unit-stopped",
            format!("{} was stopped again: {by}", story.unit()),
        )
        .specific(7),
        // What came after the magic line is the shell's matter.
        Outcome::Started if story.magic_came() => return None,
        Outcome::Started => program::silent(story),
        Outcome::NeverMentioned => return refused::never_mentioned(story),
    };
    // The line about the unit comes first.
    let mut found = found;
    for line in story.said().into_iter().rev() {
        found.evidence.insert(0, line);
    }
    Some(found.because([]))
}
