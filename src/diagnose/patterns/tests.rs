use super::*;
use crate::boot::timeline::Event;

fn observation(source: Source, text: &str) -> Observation {
    let text = text.to_owned();
    let event = match source {
        Source::Shell => Event::ShellLine {
            text,
            partial: false,
        },
        Source::Qemu => Event::QemuMessage { text },
        Source::KernelLog => Event::KernelLog {
            guest: 0.0,
            level: 3,
            text,
        },
        _ => Event::SerialLine {
            port: 0,
            text,
            partial: false,
        },
    };
    Observation {
        t: 0.0,
        source,
        event,
    }
}

fn best(source: Source, text: &str) -> Option<&'static str> {
    scan_one(0, &observation(source, text))
        .into_iter()
        .max_by_key(|h| h.pattern.specific)
        .map(|h| h.pattern.cause)
}

#[test]
fn every_expression_compiles() {
    for pattern in PATTERNS {
        assert!(Regex::new(pattern.regex).is_ok(), "{}", pattern.regex);
    }
}

/// Lines from real boots and public reports, with the cause that the most telling pattern names.
const SERIAL: &[(&str, &str)] = &[
    (
        r#"BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0): Not Found"#,
        "esp-loader-missing",
    ),
    (
        r#"BdsDxe: starting Boot0003 "EFI Internal Shell" from Fv(7CB8BDC9)"#,
        "esp-loader-missing",
    ),
    (
        r#"BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0): Access Denied"#,
        "loader-unsigned",
    ),
    (
        r#"BdsDxe: failed to load Boot0002 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0): Unsupported"#,
        "esp-loader-invalid",
    ),
    (
        r"No loader found. Configuration files in \loader\entries\*.conf are needed.",
        "loader-entries-missing",
    ),
    (
        r"Error loading \vmlinuz-6.1.0-38-cloud-amd64: Not Found",
        "loader-entry-kernel-missing",
    ),
    (
        r"Error loading \vmlinuz-6.1.0-38-cloud-amd64: Load Error",
        "kernel-corrupt",
    ),
    (
        "Error loading EFI binary \\vmlinuz-6.12.0: Unsupported",
        "kernel-corrupt",
    ),
    (
        "Error preparing initrd: Not Found",
        "loader-entry-initrd-missing",
    ),
    (
        "error: file `/boot/grub/x86_64-efi/normal.mod' not found.",
        "grub-file-missing",
    ),
    ("error: unknown filesystem.", "grub-rootfs-unreadable"),
    ("grub rescue> ", "grub-file-missing"),
    (
        "EFI stub: ERROR: Failed to decompress kernel",
        "kernel-corrupt",
    ),
    (
        "ZSTD-compressed data is corrupt -- System halted",
        "kernel-corrupt",
    ),
    (
        "[    0.512345] Initramfs unpacking failed: invalid magic at start of compressed archive",
        "initrd-compression-unsupported",
    ),
    (
        "[    0.512345] Initramfs unpacking failed: ZSTD-compressed data is corrupt",
        "initrd-corrupt",
    ),
    (
        "[    0.512345] Initramfs unpacking failed: write error",
        "memory-too-small",
    ),
    (
        "[    1.612345] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "initrd-not-named",
    ),
    (
        "[    1.612345] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00",
        "init-killed",
    ),
    (
        "[    1.612345] Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.",
        "init-missing",
    ),
    (
        "[    0.032000] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug and send a report.",
        "timer-starved",
    ),
    (
        "Gave up waiting for root file system device.  Common problems:",
        "root-not-found",
    ),
    (
        "ALERT!  PARTUUID=dead does not exist.  Dropping to a shell!",
        "root-not-found",
    ),
    (
        "EFI stub: ERROR: Failed to load initrd: 0x8000000000000009",
        "memory-too-small",
    ),
    (
        "[   14.782484] systemd-fsck[210]: platform: ***** REBOOT SYSTEM *****",
        "rootfs-needs-fsck",
    ),
    ("(initramfs) ", "initrd-gave-up"),
    (
        "[  188.012345] dracut-initqueue[301]: Warning: dracut-initqueue: starting timeout scripts",
        "root-not-found",
    ),
    (
        "mount: mounting /dev/vda2 on /root failed: Invalid argument",
        "root-mount-failed",
    ),
    (
        "Failed to mount /dev/vda2 as root file system.",
        "root-mount-failed",
    ),
    (
        "[    5.112345] EXT4-fs (vda2): bad geometry: block count 196608 exceeds size of device (102400 blocks)",
        "rootfs-corrupt",
    ),
    (
        "/dev/vda2: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
        "rootfs-needs-fsck",
    ),
    ("No init found. Try passing init= bootarg.", "init-missing"),
    (
        "You are in emergency mode. After logging in, type \"journalctl -xb\"",
        "emergency-mode",
    ),
    (
        "Cannot open access to console, the root account is locked.",
        "emergency-mode",
    ),
    (
        "[   95.112345] systemd[1]: Dependency failed for boot.mount - /boot.",
        "fstab-device-missing",
    ),
    (
        "[DEPEND] Dependency failed for /boot.",
        "fstab-device-missing",
    ),
    (
        "[DEPEND] Dependency failed for local-fs.target - Local File Systems.",
        "fstab-device-missing",
    ),
    (
        "[    7.212345] systemd[1]: Falling back to rescue.target.",
        "default-target-misses-unit",
    ),
    (
        "[    7.212345] systemd[1]: Trying to load rescue target...",
        "default-target-misses-unit",
    ),
    (
        "[    7.212345] systemd[1]: Queued start job for default target rescue.target.",
        "default-target-misses-unit",
    ),
    ("-- Press any key to proceed --", "firstboot-prompts"),
    (
        "[    9.112345] Module virtio_console is blacklisted",
        "virtio-console-blacklisted",
    ),
    (
        "[    9.112345] virtio_console: version magic '6.0.0' should be '6.1.0'",
        "module-unloadable",
    ),
    (
        "[    9.112345] systemd-udevd.service: Failed at step EXEC spawning /lib/systemd/systemd-udevd",
        "udevd-disabled",
    ),
];

#[test]
fn field_wordings_are_recognised() {
    for (text, cause) in SERIAL {
        assert_eq!(best(Source::Serial, text), Some(*cause), "{text}");
    }
    let shell = |text| best(Source::Shell, text);
    assert_eq!(shell("debian login: "), Some("getty-owns-shell-device"));
    assert_eq!(
        shell("[    1.234567] random: crng init done"),
        Some("console-on-shell-device")
    );
    assert_eq!(
        shell("[  OK  ] Started a.service."),
        Some("log-to-shell-device")
    );
    assert_eq!(
        shell("bash: no job control in this shell"),
        Some("shell-interactive")
    );
    let qemu = |text| best(Source::Qemu, text);
    assert_eq!(
        qemu("qemu-system-x86_64: CPU model 'host' requires KVM or HVF"),
        Some("cpu-host-without-kvm")
    );
    assert_eq!(
        qemu(r#"qemu-system-x86_64: -drive file=a.wic: Failed to get "write" lock"#),
        Some("image-locked")
    );
}

#[test]
fn a_line_cut_short_is_recognised() {
    for (text, cause) in [
        (
            "ALERT!  PARTUUID=11111111-2222-3333-4444-555555555555 does not exist.  Dropp",
            "root-not-found",
        ),
        (
            "[    1.612345] Kernel panic - not syncing: VFS: Unable to mount root fs on unkn",
            "initrd-not-named",
        ),
        (
            "No loader found. Configuration files in \\loader\\entr",
            "loader-entries-missing",
        ),
        ("You are in emergency mode. After logg", "emergency-mode"),
    ] {
        assert_eq!(best(Source::Serial, text), Some(cause), "{text}");
    }
}

#[test]
fn what_a_healthy_boot_says_is_no_hit() {
    for line in [
        r#"BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0)"#,
        "debian login: ",
        "[    0.012345] Trying to unpack rootfs image as initramfs...",
        "[    5.112345] EXT4-fs (vda2): mounted filesystem with ordered data mode. Quota mode: none.",
        "[    7.212345] systemd[1]: Queued start job for default target graphical.target.",
        "mount: mounting /dev on /root/dev failed: No such file or directory",
        "[    7.212345] systemd[1]: Reached target local-fs.target - Local File Systems.",
    ] {
        assert_eq!(best(Source::Serial, line), None, "{line}");
    }
    assert_eq!(best(Source::Shell, "Spawning backdoor root shell..."), None);
}

#[test]
fn sentences_take_their_groups() {
    let sentence = |text: &str| {
        let hits = scan_one(0, &observation(Source::Serial, text));
        hits.into_iter()
            .max_by_key(|h| h.pattern.specific)
            .map(|h| h.sentence)
    };
    assert_eq!(
        sentence("ALERT!  PARTUUID=dead does not exist.").as_deref(),
        Some("the device PARTUUID=dead does not exist")
    );
    assert_eq!(
        sentence("Failed to mount /dev/vda2 as root file system.").as_deref(),
        Some("the root file system /dev/vda2 cannot be mounted")
    );
}
