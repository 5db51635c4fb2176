//! PID 1 and what it mounts and starts before the backdoor.

use super::*;

#[test]
fn init_cannot_run() {
    let killed = |boot: Boot| {
        boot.rootfs().kernel(
            4.0,
            "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00",
        )
    };
    is(killed(Boot::new()), Stage::Systemd, Cp::Init, "init-killed");
    is(
        killed(Boot::new()).foreseen("init-libraries-missing", Stage::Systemd, Cp::Init),
        Stage::Systemd,
        Cp::Init,
        "init-libraries-missing",
    );
    is(
        Boot::new()
            .rootfs()
            .serial(14.0, "Target filesystem doesn't have requested /sbin/init.")
            .serial(14.1, "No init found. Try passing init= bootarg.")
            .serial(14.2, "(initramfs) "),
        Stage::Systemd,
        Cp::Init,
        "init-missing",
    );
}

#[test]
fn emergency_mode_is_told_by_what_led_there() {
    let emergency = |boot: Boot| {
        boot.journal(
            95.2,
            "emergency.service",
            "systemd",
            "Started emergency.service - Emergency Shell.",
        )
        .serial(
            105.3,
            "You are in emergency mode. After logging in, type \"journalctl -xb\"",
        )
    };
    is(
        emergency(Boot::new().systemd()),
        Stage::Systemd,
        Cp::Init,
        "emergency-mode",
    );
    let boot = Boot::new()
        .systemd()
        .journal(
            95.0,
            "dev-sda1.device",
            "systemd",
            "Timed out waiting for device dev-sda1.device - /dev/sda1.",
        )
        .journal(
            95.1,
            "boot.mount",
            "systemd",
            "Dependency failed for boot.mount - /boot.",
        )
        .journal(
            95.1,
            "local-fs.target",
            "systemd",
            "Dependency failed for local-fs.target - Local File Systems.",
        );
    let verdict = is(
        emergency(boot),
        Stage::Systemd,
        Cp::Init,
        "fstab-device-missing",
    );
    assert_eq!(
        verdict.cause.as_deref(),
        Some("/boot of fstab could not be mounted: its device never came")
    );
    let fsck = Boot::new().systemd().journal(
        8.0,
        "systemd-fsck-root.service",
        "systemd-fsck",
        "/dev/vda2: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
    );
    is(
        emergency(fsck),
        Stage::Systemd,
        Cp::RootDevice,
        "rootfs-needs-fsck",
    );
}

#[test]
fn the_default_target_leads_elsewhere() {
    let rescue = Boot::new()
        .rootfs()
        .kernel(5.1, "systemd[1]: Hostname set to <isar>.")
        .kernel(
            6.0,
            "systemd[1]: Queued start job for default target rescue.target.",
        )
        .journal(
            20.0,
            "rescue.service",
            "systemd",
            "Started rescue.service - Rescue Shell.",
        );
    is(
        rescue,
        Stage::Systemd,
        Cp::Init,
        "default-target-misses-unit",
    );
    let missing = Boot::new()
        .rootfs()
        .kernel(5.1, "systemd[1]: Hostname set to <isar>.")
        .kernel(6.0, "systemd[1]: Unit default.target not found.")
        .kernel(6.0, "systemd[1]: Falling back to rescue.target.")
        .journal(
            20.0,
            "rescue.service",
            "systemd",
            "Started rescue.service - Rescue Shell.",
        );
    is(
        missing,
        Stage::Systemd,
        Cp::Init,
        "default-target-misses-unit",
    );
}

#[test]
fn questions_on_the_console() {
    is(
        Boot::new()
            .systemd()
            .serial(19.0, "-- Press any key to proceed --"),
        Stage::Systemd,
        Cp::Init,
        "firstboot-prompts",
    );
}

#[test]
fn a_cycle_that_drops_the_unit() {
    let boot = Boot::new()
        .rootfs()
        .kernel(5.1, "systemd[1]: Hostname set to <isar>.")
        .kernel(5.9, "systemd[1]: nixos-test-backdoor.service: Job nixos-test-backdoor.service/start deleted to break ordering cycle starting with sysinit.target/start");
    is(boot, Stage::Unit, Cp::Init, "ordering-cycle");
}
