//! `Condition…=` and `Assert…=`: checked once, when the job runs.

use super::{Story, module};
use crate::critical_point::CriticalPoint as Cp;
use crate::diagnose::candidate::{Candidate, evidence_of};
use crate::diagnose::device::margin_ms;
use crate::stage::Stage;

/// The rule that says nothing makes the unit wait for its device.
pub const RACE: &str = "backdoor-device-not-pulled-in";
/// Rules about conditions that no device would make true.
const OTHERS: &[&str] = &["condition-never-true", "condition-path-never-exists"];
/// Rules that keep the device from ever coming.
const NO_DEVICE: &[&str] = &[
    "virtio-console-missing",
    "virtio-console-blacklisted",
    "virtio-console-install-overridden",
    "module-unloadable",
    "module-index-stale",
    "modules-version-mismatch",
    "udevd-disabled",
];
/// Differences between two clocks are not taken for an order of events.
const CLOCKS_DIFFER: f64 = 250.0;

/// A condition was not met.
pub fn skipped(story: Story<'_>, condition: &str) -> Candidate {
    let path = story.path();
    let about_device = condition.ends_with(&format!("={path}"))
        || (condition.is_empty() && !story.foreseen(OTHERS));
    if !about_device {
        return other_condition(story, condition);
    }
    let margin = story
        .outcome
        .guest
        .and_then(|check| margin_ms(check, story.device));
    if story.device.bound.is_some() {
        if margin.is_some_and(|ms| ms > CLOCKS_DIFFER) && condition.is_empty() {
            return other_condition(story, condition).inferred();
        }
        if story.device_timed_out() {
            return too_late(story);
        }
        return race(story, condition, margin);
    }
    let never = story.device_timed_out() || story.foreseen(NO_DEVICE);
    if !never && story.foreseen(&[RACE]) {
        // The watching ended before the driver was loaded.
        return race(story, condition, None);
    }
    let found = module::no_device(story);
    if never { found } else { found.inferred() }
}

fn race(story: Story<'_>, condition: &str, margin: Option<f64>) -> Candidate {
    let by = margin
        .filter(|ms| *ms < 0.0)
        .map(|ms| format!(", {:.0} ms before the device appeared", -ms))
        .unwrap_or_default();
    let what = if condition.is_empty() {
        "its condition"
    } else {
        condition
    };
    let bound = story.device.index.and_then(|i| story.case.timeline.get(i));
    Candidate::new(
        Stage::Unit,
        Cp::ConditionPathExists,
        RACE,
        format!(
            "{} checked {what} once{by}, and was skipped for good: nothing pulls in {}",
            story.unit(),
            story.device_unit()
        ),
    )
    .specific(9)
    .because(bound.map(|o| {
        let text = format!("the driver of {} is bound only now", story.path());
        evidence_of(o, text)
    }))
}

/// The device was asked for and waited for, and came after systemd had given up.
fn too_late(story: Story<'_>) -> Candidate {
    Candidate::new(
        Stage::Unit,
        Cp::AfterDevice,
        "device-too-late",
        format!(
            "systemd gave up waiting for {}, and {} was skipped; the device came later",
            story.device_unit(),
            story.unit()
        ),
    )
    .specific(8)
}

fn other_condition(story: Story<'_>, condition: &str) -> Candidate {
    let (key, value) = condition.split_once('=').unwrap_or((condition, ""));
    let path = ["Path", "File", "Directory"]
        .iter()
        .any(|kind| key.contains(kind));
    // `!` asks for the opposite: then the path is there.
    let id = if path && !value.starts_with('!') {
        "condition-path-never-exists"
    } else {
        "condition-never-true"
    };
    let what = if condition.is_empty() {
        "one of its conditions"
    } else {
        condition
    };
    Candidate::new(
        Stage::Unit,
        Cp::ConditionPathExists,
        id,
        format!(
            "{} was skipped: {what} is not met in this guest",
            story.unit()
        ),
    )
    .specific(8)
}

/// An assertion was not met: that fails the unit.
pub fn asserted(story: Story<'_>, assertion: &str) -> Candidate {
    let id = if assertion.contains("Path") || assertion.contains("File") {
        "condition-path-never-exists"
    } else {
        "condition-never-true"
    };
    let what = if assertion.is_empty() {
        "its assertion"
    } else {
        assertion
    };
    Candidate::new(
        Stage::Unit,
        Cp::ConditionPathExists,
        id,
        format!(
            "{} failed: {what} does not hold in this guest",
            story.unit()
        ),
    )
    .specific(7)
}
