//! What to do about a cause: what inspect found says it for this image, the rule for all, and a table for what no rule describes.

use super::Predicted;
use crate::profile::Profile;
use crate::rules::builtin;

/// The fix for a cause.
pub fn fix(cause: &str, predicted: &[Predicted], profile: &Profile) -> Option<String> {
    let found = predicted
        .iter()
        .find(|p| p.rule == cause)
        .and_then(|p| p.fix.clone());
    found
        .or_else(|| {
            let table = BOOT_ONLY.iter().find(|(id, _)| *id == cause)?;
            Some(table.1.to_owned())
        })
        .or_else(|| {
            let rule = builtin::rules().into_iter().find(|r| r.id == cause)?;
            Some(rule.named(profile).fix.image)
        })
}

/// Causes without a rule.
const BOOT_ONLY: &[(&str, &str)] = &[
    (
        "kvm-missing",
        "load the kvm module, give this user access to /dev/kvm (group kvm), or run with --accel tcg",
    ),
    (
        "kvm-broken",
        "KVM is there but does not work (nested virtualisation?): run with --accel tcg, or fix the outer hypervisor",
    ),
    (
        "cpu-host-without-kvm",
        "use `-cpu max` where KVM is not available",
    ),
    (
        "image-locked",
        "end the other QEMU that uses this image, or give it `snapshot=on` and `readonly`",
    ),
    (
        "firmware-pair-mismatch",
        "take OVMF_CODE and OVMF_VARS of the same size: both 4M or both 2M",
    ),
    (
        "vde-socket-missing",
        "start vde_switch first, or run the script under the test driver",
    ),
    (
        "memory-unavailable",
        "give the guest less memory with --memory",
    ),
    (
        "memory-too-small",
        "give the guest more memory with --memory or -m",
    ),
    (
        "image-unopenable",
        "check the path and permissions of the file QEMU names",
    ),
    (
        "qemu-device-unknown",
        "update QEMU, or drop the argument it does not know",
    ),
    ("qemu-exited", "read QEMU's own message in the timeline"),
    (
        "firmware-assertion",
        "try another OVMF build with --ovmf-code and --ovmf-vars",
    ),
    (
        "loader-crashed",
        "check that the EFI program is built for this machine and that its sections do not overlap",
    ),
    (
        "timer-starved",
        "boot again with less running beside it, or with KVM; `no_timer_check` on the command line skips the check",
    ),
    (
        "kernel-panic",
        "read the kernel log in the timeline above the panic",
    ),
    (
        "guest-reset",
        "boot with panic=0 so that a panic stays visible, and read the end of the kernel log",
    ),
    (
        "init-killed",
        "check that init's program, its dynamic loader and its libraries are in the root file system",
    ),
    (
        "systemd-frozen",
        "read the last messages of PID 1 in the timeline",
    ),
    (
        "emergency-mode",
        "read which unit failed before emergency mode in the timeline, and repair or remove it",
    ),
    (
        "mount-failed",
        "repair the mount's line in /etc/fstab, or give it nofail",
    ),
    (
        "systemd-api-mounts",
        "the kernel lacks devtmpfs, tmpfs or cgroups, or the root file system lacks their mount points",
    ),
    (
        "console-not-given",
        "give QEMU `-device virtio-serial -chardev socket,id=shell,… -device virtconsole,chardev=shell`",
    ),
    (
        "device-too-late",
        "raise DefaultDeviceTimeoutSec=, or find in the timeline what keeps udev busy for so long",
    ),
    (
        "stdio-setup-failed",
        "the unit's StandardInput=/TTYPath= or sandbox settings name something that does not exist",
    ),
    (
        "start-setup-failed",
        "the unit's User=, WorkingDirectory=, sandbox or other settings name something that does not exist",
    ),
    (
        "initrd-gave-up",
        "read what the initrd said before its prompt",
    ),
    (
        "root-mount-failed",
        "look in the kernel log for what the file system's driver said of it; `rootfstype=` and `rootflags=` must fit",
    ),
    (
        "unit-restarted",
        "find out in the timeline what the unit failed at first, and let it wait for that",
    ),
    (
        "unit-start-timeout",
        "take Type=simple (or exec) for a shell that runs on: other types must report that they are ready, or end",
    ),
    (
        "dependency-failed",
        "find out in the timeline why that unit failed, and repair it; or let Wants= take the place of Requires=",
    ),
    (
        "unit-waits-for-job",
        "find out in the timeline what that job waits for, or drop the After= on it",
    ),
    (
        "unit-stopped",
        "find the unit whose Conflicts= stops the backdoor, and mask or remove it",
    ),
    (
        "script-failed",
        "read what the script wrote to its journal, in the timeline",
    ),
    (
        "script-silent",
        "find out what the script waits for; boot with --unit to see its last words",
    ),
    (
        "shell-no-answer",
        "look at what came instead of an answer, and keep everything but the shell away from the device",
    ),
    (
        "timeout",
        "raise --timeout; without KVM a boot takes many times longer",
    ),
];
