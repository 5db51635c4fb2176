//! The shell device never came: its driver was not loaded, or not for this machine.

use super::Story;
use crate::critical_point::CriticalPoint as Cp;
use crate::diagnose::candidate::{Candidate, evidence_of};
use crate::diagnose::verdict::Blame;
use crate::stage::Stage;

/// Why there is no shell device.
pub fn no_device(story: Story<'_>) -> Candidate {
    let module = &story.case.names.profile.module;
    let path = story.path();
    if let Some(missing) = not_given(story) {
        return missing;
    }
    let (id, cause) = if story.foreseen(&["udevd-disabled"]) {
        (
            "udevd-disabled",
            format!("udevd does not run, so nothing loads {module} and no .device unit appears"),
        )
    } else if story.device.module_read.is_some() {
        (
            "module-unloadable",
            format!(
                "{module} was read from the disk and never bound to the device: {path} does not exist"
            ),
        )
    } else {
        (
            "virtio-console-missing",
            format!("{module} was never loaded: {path} does not exist"),
        )
    };
    let read = story.device.module_read.and_then(|index| {
        let seen = story.case.timeline.get(index)?;
        Some(evidence_of(seen, format!("{module} is read from the disk")))
    });
    let found = Candidate::new(Stage::Device, Cp::VirtioConsoleModule, id, cause)
        .specific(6)
        .because(read);
    if story.device.watched {
        found
    } else {
        found.inferred()
    }
}

/// QEMU was never told to make one.
fn not_given(story: Story<'_>) -> Option<Candidate> {
    let command = story.case.command;
    let given = |word: &str| command.iter().any(|a| a.contains(word));
    let hvc = story.case.names.profile.device.starts_with("hvc");
    if command.is_empty() || !hvc || given("virtconsole") {
        return None;
    }
    Some(
        Candidate::new(
            Stage::Device,
            Cp::Host,
            "console-not-given",
            "QEMU's arguments have no `-device virtconsole`, so the guest can have no virtio console",
        )
        .specific(9)
        .blame(Blame::Launch),
    )
}
