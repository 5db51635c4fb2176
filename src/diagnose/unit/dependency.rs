//! Units that the backdoor requires or waits for.

use super::{Story, module};
use crate::critical_point::CriticalPoint as Cp;
use crate::diagnose::candidate::Candidate;
use crate::stage::Stage;

/// A unit that it requires failed.
pub fn failed(story: Story<'_>, dependency: Option<&str>) -> Candidate {
    let own = dependency.is_none_or(|name| is_own(story, name));
    if own && story.device.bound.is_none() {
        return module::no_device(story);
    }
    match dependency.filter(|_| !own) {
        Some(name) if is_device(name) => Candidate::new(
            Stage::Unit,
            Cp::AfterDevice,
            "unit-waits-for-missing-device",
            format!("{} requires {name}, which never appeared", story.unit()),
        )
        .specific(8),
        Some(name) => Candidate::new(
            Stage::Unit,
            Cp::AfterDevice,
            "dependency-failed",
            format!("{} requires {name}, which failed", story.unit()),
        )
        .specific(8),
        None if story.device_timed_out() => Candidate::new(
            Stage::Unit,
            Cp::AfterDevice,
            "device-too-late",
            format!(
                "systemd gave up waiting for {}, which {} requires; the device came later",
                story.device_unit(),
                story.unit()
            ),
        )
        .specific(8),
        None => Candidate::new(
            Stage::Unit,
            Cp::AfterDevice,
            "dependency-failed",
            format!("a unit that {} requires failed", story.unit()),
        ),
    }
}

/// Its job was still waiting at the end.
pub fn waiting(story: Story<'_>, on: &str) -> Candidate {
    if is_own(story, on) && story.device_never_came() {
        return module::no_device(story);
    }
    let id = if on.contains("wait-online") || on.contains("Wait for Network") {
        "wait-online-before-unit"
    } else if is_device(on) {
        "unit-waits-for-missing-device"
    } else {
        "unit-waits-for-job"
    };
    let cp = if id == "wait-online-before-unit" {
        Cp::Init
    } else {
        Cp::AfterDevice
    };
    Candidate::new(
        Stage::Unit,
        cp,
        id,
        format!("{} still waits for {on}", story.unit()),
    )
    .specific(6)
}

/// A device unit, by its name or by the path that older systemd tells instead.
fn is_device(name: &str) -> bool {
    name.ends_with(".device") || name.starts_with("/dev/")
}

/// The name, or the path that older systemd tells instead, is the shell device's.
pub fn is_own(story: Story<'_>, name: &str) -> bool {
    name == story.device_unit() || name == story.path()
}
