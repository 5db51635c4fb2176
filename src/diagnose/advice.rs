//! What to do about causes that only a boot can show. Causes that a rule describes take the rule's own fix.

use super::Predicted;

/// The fix for a cause: the finding's when inspect has one, else the rule's, else this table's.
pub fn fix(cause: &str, predicted: &[Predicted]) -> Option<String> {
    predicted
        .iter()
        .find(|p| p.rule == cause)
        .and_then(|p| p.fix.clone())
        .or_else(|| {
            BOOT_ONLY
                .iter()
                .find(|(id, _)| *id == cause)
                .map(|(_, fix)| (*fix).to_owned())
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
        "give the guest more memory with --memory",
    ),
    (
        "image-unopenable",
        "check the path and permissions of the file QEMU names",
    ),
    (
        "qemu-device-unknown",
        "update QEMU, or drop the argument it does not know",
    ),
    (
        "loader-crashed",
        "check that the EFI program is built for this machine and that its sections do not overlap",
    ),
    (
        "kernel-panic",
        "read the kernel log in the timeline above the panic",
    ),
    (
        "init-killed",
        "check that init's program, its dynamic loader and its libraries are in the root file system",
    ),
    (
        "emergency-mode",
        "read which unit failed before emergency mode in the timeline, and repair or remove it",
    ),
    (
        "default-target-missing",
        "let /etc/systemd/system/default.target point at multi-user.target",
    ),
    (
        "stdio-setup-failed",
        "the unit's StandardInput=/TTYPath= or sandbox settings name something that does not exist",
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
        "systemd-api-mounts",
        "the kernel lacks devtmpfs, tmpfs or cgroups, or the root file system lacks their mount points",
    ),
];
