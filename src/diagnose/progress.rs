//! Where a boot stopped: the first stage that was not completed.

use super::Case;
use super::device::DeviceState;
use crate::boot::timeline::Event;
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;

/// The first stage that was not completed. `firmware` and `bootloader` are completed by handing over to what comes next;
/// the others by being reached.
pub fn stopped_at(case: &Case<'_>, device: &DeviceState) -> Stage {
    let reached = |stage| case.stages.reached(stage);
    let missing = Stage::ALL
        .into_iter()
        .filter(|s| !reached(*s))
        // A unit can run without its device; without a witness for the device its absence says nothing.
        .find(|s| *s != Stage::Device || device.watched || !reached(Stage::Unit));
    match missing {
        None => Stage::Shell,
        Some(Stage::Bootloader) => Stage::Firmware,
        Some(Stage::Kernel) if !handed_over(case) => Stage::Bootloader,
        Some(stage) => stage,
    }
}

/// The loader read the kernel, and the initrd when there is one, to their ends.
fn handed_over(case: &Case<'_>) -> bool {
    let whole = |location: &crate::inspect::source::Location| {
        case.timeline.iter().any(|o| {
            matches!(&o.event, Event::DiskRead { partition, path, whole: true, .. }
                if location.partition.as_deref() == Some(partition)
                    && location.path.as_deref().is_some_and(|p| p.eq_ignore_ascii_case(path)))
        })
    };
    case.names.kernel.as_ref().is_some_and(whole) && case.names.initrd.iter().all(whole)
}

/// The critical point that a stage stands for when nothing names a better one.
pub fn critical_point(stage: Stage) -> Option<Cp> {
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

/// The observed cause that a stop without any words stands for; what explains it is looked for in the image.
pub fn silent_cause(stage: Stage) -> &'static str {
    match stage {
        Stage::Host => "qemu-exited",
        Stage::Firmware => "esp-loader-missing",
        Stage::Bootloader => "loader-entry-kernel-missing",
        Stage::Kernel => "kernel-corrupt",
        Stage::Initrd => "initrd-not-named",
        Stage::Rootfs => "root-not-found",
        Stage::Systemd => "init-killed",
        Stage::Device => "virtio-console-missing",
        Stage::Unit => "backdoor-not-enabled",
        Stage::Script => "script-failed",
        Stage::Shell => "script-silent",
    }
}

/// Whether a finding whose boot would fail at `predicted` can be why it stopped at `stopped`. What was foreseen for later
/// cannot, and what was foreseen for a stage long passed is refuted; systemd's troubles show late.
pub fn fits(predicted: Stage, stopped: Stage) -> bool {
    match stopped {
        Stage::Host => false,
        Stage::Firmware => predicted == Stage::Firmware,
        Stage::Bootloader | Stage::Kernel => {
            (Stage::Bootloader..=Stage::Kernel).contains(&predicted)
        }
        Stage::Initrd => (Stage::Kernel..=Stage::Initrd).contains(&predicted),
        Stage::Rootfs => (Stage::Kernel..=Stage::Rootfs).contains(&predicted),
        Stage::Systemd => (Stage::Rootfs..=Stage::Systemd).contains(&predicted),
        _ => (Stage::Systemd..=stopped).contains(&predicted),
    }
}
