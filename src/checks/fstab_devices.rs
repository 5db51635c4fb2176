//! fstab names only devices that exist, or says that they may be missing.

use super::{Answer, Check, Context, Violation};
use crate::inspect::fstab::{DeviceMatch, FstabEntry};
use crate::known;
use serde::Deserialize;

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FstabDevices {}

impl Check for FstabDevices {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let fstab = known!(cx.facts.fstab);
        if cx.facts.cmdline.known().is_some_and(|c| {
            c.value("fstab")
                .is_some_and(|v| matches!(v, "no" | "0" | "false" | "off"))
        }) {
            return Answer::NotApplicable;
        }
        Answer::from_violations(fstab.iter().filter_map(judge).collect())
    }
}

fn judge(entry: &FstabEntry) -> Option<Violation> {
    let option = |name: &str| entry.options.iter().any(|o| o == name);
    // The root is mounted by then; `noauto`, `nofail` and automount do not stop the boot.
    if option("noauto")
        || option("nofail")
        || option("x-systemd.automount")
        || entry.mount_point == "/"
    {
        return None;
    }
    let swap = entry.fs_type == "swap";
    let what = match &entry.device {
        DeviceMatch::Missing => format!("{}, which does not exist on this disk", entry.spec),
        DeviceMatch::OtherBus(_) => format!(
            "{}, a disk of another bus; on the test driver's virtio disk it is /dev/vda…",
            entry.spec
        ),
        _ => return None,
    };
    let effect = if swap {
        "the boot waits 90 s for it"
    } else {
        "the boot waits 90 s for it and then goes into emergency mode"
    };
    let found = Violation::at_line(
        &entry.origin,
        format!("{} is mounted from {what}: {effect}", entry.mount_point),
    );
    let wic = entry.mount_point == "/boot" && matches!(entry.device, DeviceMatch::OtherBus(_));
    let found = if wic { found.by_isar() } else { found };
    Some(if swap {
        found.severity(crate::rules::Severity::Warning)
    } else {
        found
    })
}
