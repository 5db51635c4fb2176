//! Host, firmware, loader, kernel, initrd, root.

use super::*;

fn gone() -> Option<Ended> {
    Some(Ended::MachineGone)
}

#[test]
fn the_firmware_finds_nothing() {
    let shell = |boot: Boot| {
        boot.serial(
            3.0,
            r#"BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x4,0x0): Not Found"#,
        )
        .serial(4.0, r#"BdsDxe: starting Boot0003 "EFI Internal Shell" from Fv(7CB8BDC9)"#)
    };
    let bare = is(
        shell(Boot::new().firmware()),
        Stage::Firmware,
        Cp::FirmwareEntry,
        "esp-loader-missing",
    );
    assert_eq!(bare.confidence, Confidence::Observed);
    let table = Boot::new().firmware().foreseen(
        "partition-table-unreadable",
        Stage::Firmware,
        Cp::FirmwareEntry,
    );
    let found = is(
        shell(table),
        Stage::Firmware,
        Cp::FirmwareEntry,
        "partition-table-unreadable",
    );
    assert_eq!(found.foreseen_by, ["partition-table-unreadable"]);
    assert_eq!(
        found.fix.as_deref(),
        Some("undo partition-table-unreadable")
    );
}

#[test]
fn secure_boot_refuses() {
    is(
        Boot::new().firmware().serial(
            3.0,
            r#"BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x4,0x0): Access Denied"#,
        ),
        Stage::Firmware,
        Cp::FirmwareEntry,
        "loader-unsigned",
    );
}

#[test]
fn a_boot_option_that_failed_before_the_next_worked_is_no_cause() {
    let boot = Boot::new()
        .serial(
            1.0,
            r#"BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM" from PciRoot(0x0)/Pci(0x1F,0x2): Not Found"#,
        )
        .systemd()
        .done();
    is(boot, Stage::Unit, Cp::UnitEnabled, "backdoor-not-enabled");
}

#[test]
fn a_loader_that_goes_back_to_the_firmware_had_nothing_to_boot() {
    let menu = || {
        Boot::new()
            .loader()
            .serial(3.0, "Reboot Into Firmware Interface")
    };
    is(
        menu().ended(gone()),
        Stage::Bootloader,
        Cp::LoaderEntry,
        "loader-entries-missing",
    );
    is(
        menu().ended(gone()).foreseen(
            "loader-entry-kernel-missing",
            Stage::Bootloader,
            Cp::LoaderEntry,
        ),
        Stage::Bootloader,
        Cp::LoaderEntry,
        "loader-entry-kernel-missing",
    );
    is(
        menu(),
        Stage::Bootloader,
        Cp::LoaderEntry,
        "loader-menu-waits",
    );
}

#[test]
fn kernel_and_initrd() {
    is(
        Boot::new()
            .loader()
            .serial(3.0, "Error preparing initrd: Not Found"),
        Stage::Bootloader,
        Cp::LoaderEntry,
        "loader-entry-initrd-missing",
    );
    is(
        Boot::new()
            .linux()
            .kernel(
                0.5,
                "Initramfs unpacking failed: ZSTD-compressed data is corrupt",
            )
            .kernel(
                1.0,
                "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            )
            .ended(gone()),
        Stage::Initrd,
        Cp::KernelInitrd,
        "initrd-corrupt",
    );
    is(
        Boot::new()
            .linux()
            .kernel(
                0.5,
                "Initramfs unpacking failed: invalid magic at start of compressed archive",
            )
            .kernel(
                1.0,
                "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            ),
        Stage::Initrd,
        Cp::KernelInitrd,
        "initrd-compression-unsupported",
    );
    is(
        Boot::new()
            .linux()
            .kernel(1.0, "VFS: Cannot open root device \"PARTUUID=0e2b3f1c\" or unknown-block(0,0): error -6")
            .kernel(1.0, "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"),
        Stage::Initrd,
        Cp::KernelInitrd,
        "initrd-not-named",
    );
}

#[test]
fn a_kernel_that_was_handed_over_and_says_nothing() {
    let mut boot = Boot::new().loader();
    let kernel = crate::inspect::source::Location::file("p1", "/vmlinuz");
    boot.names.kernel = Some(kernel);
    let mut read = Boot::new().loader();
    read.names.kernel.clone_from(&boot.names.kernel);
    let event = Event::DiskRead {
        partition: "p1".into(),
        path: "/vmlinuz".into(),
        bytes: 1,
        whole: true,
    };
    read.see(3.0, Source::Disk, event);
    let rule = |boot: Boot| boot.foreseen("kernel-corrupt", Stage::Kernel, Cp::KernelInitrd);
    is(
        rule(boot),
        Stage::Bootloader,
        Cp::KernelInitrd,
        "kernel-corrupt",
    );
    is(
        rule(read),
        Stage::Kernel,
        Cp::KernelInitrd,
        "kernel-corrupt",
    );
}

#[test]
fn the_root_device() {
    let gave_up = |boot: Boot| {
        boot.serial(
            45.0,
            "Gave up waiting for root file system device.  Common problems:",
        )
        .serial(
            45.1,
            "ALERT!  PARTUUID=dead does not exist.  Dropping to a shell!",
        )
        .serial(45.2, "(initramfs) ")
    };
    let seen = is(
        gave_up(Boot::new().initrd()),
        Stage::Rootfs,
        Cp::RootDevice,
        "root-not-found",
    );
    assert_eq!(
        seen.cause.as_deref(),
        Some("the device PARTUUID=dead does not exist")
    );
    is(
        gave_up(Boot::new().initrd()).foreseen(
            "root-driver-not-in-initrd",
            Stage::Rootfs,
            Cp::RootDevice,
        ),
        Stage::Rootfs,
        Cp::RootDevice,
        "root-driver-not-in-initrd",
    );
    is(
        Boot::new()
            .initrd()
            .serial(14.0, "Failed to mount /dev/vda2 as root file system.")
            .serial(14.2, "Target filesystem doesn't have requested /sbin/init.")
            .serial(14.5, "(initramfs) "),
        Stage::Rootfs,
        Cp::RootDevice,
        "root-mount-failed",
    );
}

#[test]
fn a_disk_on_another_bus_is_the_launchs_fault() {
    let boot = |disk: &str| {
        Boot::new()
            .virtio(1.0, disk, 7)
            .serial(
                2.0,
                r#"BdsDxe: starting Boot0001 "UEFI QEMU HARDDISK" from"#,
            )
            .kernel(0.0, "Linux version 6.12")
            .kernel(1.5, "Run /init as init process")
            .serial(
                45.1,
                "ALERT!  /dev/vda2 does not exist.  Dropping to a shell!",
            )
            .verdict()
    };
    assert_eq!(boot("virtio-rng").blame, Blame::Launch);
    assert_eq!(boot("virtio-blk").blame, Blame::Image);
}

#[test]
fn what_the_initrd_waits_for_behind_the_root_is_fstabs() {
    let boot = Boot::new().rootfs().serial(
        45.0,
        "ALERT!  UUID=1111 does not exist.  Dropping to a shell!",
    );
    is(boot, Stage::Systemd, Cp::Init, "fstab-device-missing");
}

#[test]
fn too_little_memory() {
    let mut small = Boot::new().virtio(1.0, "virtio-rng", 7);
    small.command = ["qemu", "-m", "64"].map(str::to_owned).to_vec();
    let verdict = is(small, Stage::Firmware, Cp::Host, "memory-too-small");
    assert_eq!(verdict.blame, Blame::Launch);
    is(
        Boot::new()
            .linux()
            .kernel(0.9, "Initramfs unpacking failed: write error")
            .kernel(
                1.0,
                "Kernel panic - not syncing: System is deadlocked on memory",
            ),
        Stage::Initrd,
        Cp::Host,
        "memory-too-small",
    );
}

#[test]
fn a_guest_that_ends_without_a_word_was_reset() {
    let mut boot = Boot::new().linux().ended(gone());
    let event = Event::Qmp {
        name: "SHUTDOWN".into(),
        data: serde_json::json!({"guest": true, "reason": "guest-reset"}),
    };
    boot.see(12.0, Source::Qmp, event);
    let verdict = is(boot, Stage::Initrd, Cp::KernelInitrd, "guest-reset");
    assert_eq!(verdict.confidence, Confidence::Inferred);
}

#[test]
fn nothing_is_guessed_from_nothing() {
    let verdict = is(
        Boot::new().linux(),
        Stage::Initrd,
        Cp::KernelInitrd,
        "unknown",
    );
    assert_eq!(
        (verdict.blame, verdict.confidence),
        (Blame::Unknown, Confidence::Inferred)
    );
    let still = Boot::new()
        .linux()
        .ended(Some(Ended::Timeout { seconds: 60.0 }));
    is(still, Stage::Initrd, Cp::KernelInitrd, "timeout");
    let log = Boot::new().linux().ended(None);
    is(log, Stage::Initrd, None, "unknown");
}

#[test]
fn what_was_foreseen_for_later_is_not_why_it_stopped_earlier() {
    let boot = Boot::new()
        .linux()
        .foreseen("backdoor-not-enabled", Stage::Unit, Cp::UnitEnabled);
    is(boot, Stage::Initrd, Cp::KernelInitrd, "unknown");
}

/// A prompt alone does not say that the root is missing.
#[test]
fn a_prompt_without_a_reason() {
    let boot = || Boot::new().initrd().serial(14.5, "(initramfs) ");
    let bare = is(boot(), Stage::Rootfs, Cp::RootDevice, "initrd-gave-up");
    assert_eq!(bare.confidence, Confidence::Inferred);
    is(
        boot().foreseen("initrd-break", Stage::Rootfs, Cp::KernelInitrd),
        Stage::Rootfs,
        Cp::KernelInitrd,
        "initrd-break",
    );
}
