//! The same words mean different things at different points of the boot, or on a different machine.

use super::Case;
use super::candidate::Candidate;
use super::patterns::Hit;
use super::verdict::Blame;
use crate::boot::outcome::Ended;
use crate::boot::timeline::Event;
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;

/// Corrects what a line seems to say by when and where it was said.
pub fn hit(mut found: Candidate, hit: &Hit, case: &Case<'_>) -> Candidate {
    let mounted = case
        .stages
        .get(Stage::Rootfs)
        .is_some_and(|rootfs| !rootfs.implied && rootfs.t <= hit.t);
    match found.cause_id.as_str() {
        "initrd-gave-up" if mounted => {
            found.stage = Stage::Systemd;
            found.critical_point = Some(Cp::Init);
        }
        "root-not-found" if mounted => {
            // The root is there: the initrd waits for what else fstab wants mounted, `/usr`.
            "fstab-device-missing".clone_into(&mut found.cause_id);
            found.cause = format!(
                "the root file system was mounted, and the initrd still waits for a device of fstab: {}",
                found.cause
            );
            found.stage = Stage::Systemd;
            found.critical_point = Some(Cp::Init);
        }
        "root-not-found" if other_bus(&hit.text, case) => {
            found.blame = Blame::Launch;
            found.cause = format!(
                "{}: QEMU was given no virtio disk, and the image asks for one",
                found.cause
            );
        }
        "rootfs-needs-fsck" if mounted => found.stage = Stage::Systemd,
        "loader-menu-waits" if matches!(case.ended, Some(Ended::MachineGone)) => {
            // systemd-boot skips entries whose files are missing; what remains of its menu is the way back to the firmware.
            "loader-entries-missing".clone_into(&mut found.cause_id);
            "the loader found nothing that it could boot, and went back to the firmware"
                .clone_into(&mut found.cause);
        }
        _ => {}
    }
    found
}

/// The guest looks for a virtio disk (`/dev/vda…`) and this machine has none.
fn other_bus(text: &str, case: &Case<'_>) -> bool {
    let wants_virtio = text.contains("/dev/vd");
    let any = |test: &dyn Fn(&str) -> bool| {
        case.timeline
            .iter()
            .any(|o| matches!(&o.event, Event::VirtioStatus { device, .. } if test(device)))
    };
    wants_virtio && any(&|_| true) && !any(&|device| device.contains("blk"))
}
