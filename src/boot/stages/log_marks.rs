//! What a line of text (console, kernel log, journal) says about how far the boot is.
//!
//! Long lines are cut on the console, so no pattern needs the end of a line. Wordings of systemd 247 to 257, Linux 5.10 to 6.12, OVMF,
//! systemd-boot, GRUB, initramfs-tools, dracut.

use regex::{Regex, RegexSet};
use std::sync::LazyLock;

/// What a line proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Firmware runs.
    Firmware,
    /// A boot loader was started.
    Bootloader,
    /// The kernel runs.
    Kernel,
    /// The initrd's `/init` runs.
    Initrd,
    /// The root file system is mounted.
    Rootfs,
    /// PID 1 is systemd, of the initrd or of the root file system: the next lines tell.
    SystemdBanner,
    /// It is the initrd's.
    RunningInInitrd,
    /// The initrd's systemd hands over.
    SwitchRoot,
    /// systemd has begun its work, wherever it runs.
    SystemdWorks,
}

const PATTERNS: &[(&str, Mark)] = &[
    (r"^BdsDxe: ", Mark::Firmware),
    (r"^SeaBIOS ", Mark::Firmware),
    (r"^UEFI Interactive Shell", Mark::Firmware),
    (r"^>>(Start|Checking) (PXE|HTTP|Media)", Mark::Firmware),
    (r"^Boot in \d+ ", Mark::Bootloader),
    (r"^systemd-boot ", Mark::Bootloader),
    (
        r"GNU GRUB|^Welcome to GRUB|^GRUB loading|^grub( rescue)?>",
        Mark::Bootloader,
    ),
    (
        r"^Loading (Linux|initial ramdisk) |^Booting `|^error: .*(grub|prefix)",
        Mark::Bootloader,
    ),
    (
        r"^Error (loading|preparing) |^No loader found|^Failed to (execute|start) ",
        Mark::Bootloader,
    ),
    (r"^EFI stub: ", Mark::Kernel),
    (r"^Linux version \d", Mark::Kernel),
    (r"^Command line: BOOT_IMAGE=|^Kernel panic - ", Mark::Kernel),
    (r"^Run /init as init process", Mark::Initrd),
    (r"^Loading, please wait", Mark::Initrd),
    (
        r"^Begin: (Loading|Running|Mounting|Waiting|Will)",
        Mark::Initrd,
    ),
    (r"^Gave up waiting for (root|suspend)", Mark::Initrd),
    (r"^\(initramfs\)|^BusyBox v.* built-in shell", Mark::Initrd),
    (r"^dracut[-:\[]", Mark::Initrd),
    (
        r"^EXT[234]-fs \(\S+\): (re-)?mounted filesystem",
        Mark::Rootfs,
    ),
    (r"^VFS: Mounted root ", Mark::Rootfs),
    (r"^XFS \(\S+\): Ending clean mount", Mark::Rootfs),
    (r"^BTRFS info .*first mount of filesystem", Mark::Rootfs),
    (
        r"^(systemd\[1\]: )?Mounted (sysroot\.mount|/sysroot)",
        Mark::Rootfs,
    ),
    (
        r"^(systemd\[1\]: )?systemd \d\S* running in system mode",
        Mark::SystemdBanner,
    ),
    (
        r"^(systemd\[1\]: )?Running in (initrd|initial RAM disk)",
        Mark::RunningInInitrd,
    ),
    (r"^(systemd\[1\]: )?Switching root\.", Mark::SwitchRoot),
    (
        r"^(systemd\[1\]: )?(Hostname set to|Set hostname to|Queued start job for default target|Initializing machine ID|Detected first boot)",
        Mark::SystemdWorks,
    ),
    (
        r"^systemd\[1\]: (Created slice|Started|Starting|Reached target|Listening on|Set up automount|Mounting|Mounted)",
        Mark::SystemdWorks,
    ),
    // agetty's prompt (agetty(8), `issue`): only a running system has one.
    (r"^[A-Za-z0-9._-]{1,64} login: ?$", Mark::SystemdWorks),
    (
        r"^\[ {2}OK {2}\] (Started|Reached target|Created slice|Listening on|Mounted|Finished)",
        Mark::SystemdWorks,
    ),
];

static SET: LazyLock<RegexSet> = LazyLock::new(|| set(PATTERNS.iter().map(|(p, _)| *p)));
/// The console prefixes kernel lines with the time, and with the level under `loglevel` prefixes; `printk.time=0` leaves it out.
static PREFIX: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(<\d+>)?\[ *\d+\.\d{6}\](\[ *[TC]\d+\])? ").ok());
static STARTING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^BdsDxe: starting Boot[0-9A-Fa-f]{4} "([^"]*)"#).ok());

/// The patterns are constants that a test compiles; a set that does not compile matches nothing.
fn set<'a>(patterns: impl Iterator<Item = &'a str>) -> RegexSet {
    RegexSet::new(patterns).unwrap_or_else(|_| RegexSet::empty())
}

/// Boot options of the firmware that are not an operating system's loader (`OvmfPkg`, `MdeModulePkg`).
const NOT_A_LOADER: &[&str] = &[
    "EFI Internal Shell",
    "UEFI Shell",
    "UiApp",
    "EFI Firmware Setup",
    "BootManagerMenuApp",
    "PXE",
    "HTTP",
];

/// A line of the console without the kernel's time prefix, and whether it had one.
pub fn without_prefix(text: &str) -> (&str, bool) {
    match PREFIX.as_ref().and_then(|p| p.find(text)) {
        Some(prefix) => (&text[prefix.end()..], true),
        None => (text, false),
    }
}

/// What a line proves. `text` has no time prefix.
pub fn marks(text: &str) -> Vec<Mark> {
    let mut found: Vec<Mark> = SET
        .matches(text)
        .into_iter()
        .map(|index| PATTERNS[index].1)
        .collect();
    if started_by_firmware(text).is_some_and(is_loader) {
        found.push(Mark::Bootloader);
    }
    found
}

/// The quoted name of the boot option that the firmware starts.
pub fn started_by_firmware(text: &str) -> Option<&str> {
    let name = STARTING.as_ref()?.captures(text)?.get(1)?;
    Some(name.as_str())
}

/// A boot option that is a disk or a loader, and not the firmware's own shell, menu or network boot.
pub fn is_loader(option: &str) -> bool {
    !NOT_A_LOADER.iter().any(|other| option.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for (pattern, _) in PATTERNS {
            Regex::new(pattern).unwrap();
        }
        assert_eq!(SET.len(), PATTERNS.len());
        assert!(PREFIX.is_some() && STARTING.is_some());
    }

    #[test]
    fn the_firmware_shell_is_no_loader() {
        let shell =
            r#"BdsDxe: starting Boot0003 "EFI Internal Shell" from Fv(7CB8BDC9)/FvFile(7C04A583)"#;
        assert_eq!(marks(shell), [Mark::Firmware]);
        let disk = r#"BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0)"#;
        assert_eq!(marks(disk), [Mark::Firmware, Mark::Bootloader]);
        let network = r#"BdsDxe: starting Boot0002 "UEFI PXEv4 (MAC:525400123456)" from"#;
        assert_eq!(marks(network), [Mark::Firmware]);
    }

    #[test]
    fn prefixes_are_stripped() {
        for text in [
            "[    1.234567] Run /init as init process",
            "<6>[    1.234567] Run /init as init process",
            "[    1.234567][    T1] Run /init as init process",
        ] {
            let (line, kernel) = without_prefix(text);
            assert!(kernel);
            assert_eq!(marks(line), [Mark::Initrd], "{text}");
        }
        assert!(!without_prefix("[  OK  ] Started x").1);
    }

    #[test]
    fn systemd_in_the_initrd_is_told_apart_by_its_next_lines() {
        assert_eq!(
            marks("systemd[1]: systemd 252.38-1~deb12u1 running in system mode (+PAM"),
            [Mark::SystemdBanner]
        );
        assert_eq!(
            marks("systemd[1]: Running in initrd."),
            [Mark::RunningInInitrd]
        );
        assert_eq!(
            marks("systemd[1]: Running in initial RAM disk."),
            [Mark::RunningInInitrd]
        );
        assert_eq!(
            marks("systemd[1]: Hostname set to <isar>."),
            [Mark::SystemdWorks]
        );
    }
}
