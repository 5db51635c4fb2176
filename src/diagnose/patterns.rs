//! What a guest, its firmware, its loader and QEMU say when they fail: one flat table.
//!
//! Both old and new wordings are in the field, and consoles cut long lines, so no pattern needs the end of a line.

use crate::boot::timeline::{Event, Observation, Source};
use crate::critical_point::CriticalPoint as Cp;
use crate::stage::Stage;
use regex::{Regex, RegexSet};
use std::sync::LazyLock;

/// How much a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// May precede a success (a boot option that fails before the next one is tried).
    Hint,
    /// The boot will not go on, or not where it should.
    Fatal,
}

/// One line of the table.
#[derive(Debug)]
pub struct Pattern {
    /// Cause id; a rule's id where `inspect` can know it too.
    pub cause: &'static str,
    /// Regular expression over one line of text.
    pub regex: &'static str,
    /// Channels in which it counts.
    pub channels: &'static [Source],
    /// Stage whose work failed.
    pub stage: Stage,
    /// Critical point.
    pub critical_point: Cp,
    /// How much it says.
    pub weight: Weight,
    /// A line that names the thing itself beats one that names its consequence: higher wins.
    pub specific: u8,
    /// The cause as a sentence; `{1}` is the first group of the expression.
    pub sentence: &'static str,
}

const QEMU: &[Source] = &[Source::Qemu];
const PORTS: &[Source] = &[Source::Serial, Source::Shell];
const LOGS: &[Source] = &[
    Source::Serial,
    Source::Shell,
    Source::KernelLog,
    Source::Journal,
];
const SHELL: &[Source] = &[Source::Shell];

macro_rules! patterns {
    ($($cause:literal $channels:ident $stage:ident $cp:ident $weight:ident $specific:literal $regex:literal => $sentence:literal;)+) => {
        /// The table. Order has no meaning.
        pub static PATTERNS: &[Pattern] = &[$(Pattern {
            cause: $cause, regex: $regex, channels: $channels, stage: Stage::$stage, critical_point: Cp::$cp,
            weight: Weight::$weight, specific: $specific, sentence: $sentence,
        }),+];
    };
}

patterns! {
    // QEMU and the host
    "kvm-missing" QEMU Host Host Fatal 5 r"(?i)could not access KVM kernel module|failed to initialize kvm" => "KVM cannot be used on this host";
    "cpu-host-without-kvm" QEMU Host Host Fatal 6 r"CPU model '(?:host|max)' requires (?:KVM|HVF)" => "`-cpu host` needs KVM, which is not in use";
    "kvm-broken" QEMU Host Host Fatal 6 r"(?i)failed to set MSR|KVM internal error|error: kvm run failed" => "KVM opens on this host but cannot run a guest";
    "image-locked" QEMU Host Host Fatal 6 r#"(?i)failed to get (?:shared )?"?(?:write|consistent read)"? lock"# => "another process has the image open for writing";
    "firmware-pair-mismatch" QEMU Host Host Fatal 6 r"device requires (\d+) bytes, (?:block backend|.*?) provides (\d+) bytes" => "OVMF code and variable store are not a pair: QEMU wants {1} bytes and was given {2}";
    "vde-socket-missing" QEMU Host Host Fatal 6 r"(?i)(?:could not open|failed to connect|cannot).{0,80}\bvde\b|\bvde\b.{0,80}(?:could not be initialized|no such file)|netdev.{0,40}type 'vde'|'vde' is not a valid netdev" => "the VDE switch socket of the test network is not there, or this QEMU has no VDE";
    "memory-unavailable" QEMU Host Host Fatal 6 r"(?i)cannot set up guest memory|cannot allocate memory" => "the host cannot give the guest its memory";
    "qemu-device-unknown" QEMU Host Host Fatal 4 r"(?i)is not a valid device model name|Device '[^']+' not found|invalid option|unsupported machine type" => "this QEMU does not know one of its arguments";
    "image-unopenable" QEMU Host Host Fatal 4 r"(?i)could not open '[^']*'" => "QEMU cannot open one of its files";

    // firmware
    "esp-loader-missing" PORTS Firmware FirmwareEntry Hint 2 r"BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4}.*: Not Found" => "the firmware found nothing to start on the disk";
    "esp-loader-invalid" PORTS Firmware FirmwareEntry Hint 6 r"BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4}.*: (?:Unsupported|Load Error|Invalid Parameter)" => "the firmware refuses the loader on the ESP: it is not an EFI program for this machine";
    "esp-filesystem-corrupt" PORTS Firmware FirmwareEntry Hint 6 r"BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4}.*: (?:Volume Corrupted|Device Error)" => "the firmware cannot read the ESP: its file system is damaged";
    "loader-unsigned" PORTS Firmware FirmwareEntry Fatal 8 r"BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4}.*: (?:Access Denied|Security Violation)|Error loading .*: (?:Access denied|Security violation)|bad shim signature|Verification failed: .*(?:Security Violation|0x1A)" => "Secure Boot refuses the loader: it is not signed by a key this firmware trusts";
    "esp-loader-missing" PORTS Firmware FirmwareEntry Fatal 4 r#"BdsDxe: starting Boot[0-9A-F]{4} "(?:EFI Internal Shell|UEFI Shell)"|UEFI Interactive Shell|^Shell> "# => "the firmware found no loader and started the EFI shell";
    "esp-loader-missing" PORTS Firmware FirmwareEntry Fatal 4 r"BdsDxe: No bootable option or device was found|Press any key to enter the Boot Manager Menu" => "the firmware found no loader on any device";
    "esp-loader-missing" PORTS Firmware FirmwareEntry Hint 3 r">>Start (?:PXE|HTTP Boot) over IPv[46]" => "the firmware found no loader on the disk and tries the network";
    "loader-crashed" PORTS Bootloader LoaderEntry Fatal 5 r"!!!! (?:X64|AARCH64|Synchronous|IA32) .{0,24}Exception|Exception Type - [0-9A-F]{2}" => "an EFI program crashed after the firmware started it";

    // loaders
    "loader-entries-missing" PORTS Bootloader LoaderEntry Fatal 7 r"No loader found\. Configuration files in" => "systemd-boot found no loader entry";
    "loader-entry-initrd-missing" PORTS Bootloader LoaderEntry Fatal 7 r"(?i)Error (?:preparing|loading|opening) initrd\S*:? ?(.*)" => "the loader cannot load the initrd that the entry names";
    "loader-entry-kernel-missing" PORTS Bootloader LoaderEntry Fatal 6 r"(?i)Error (?:loading|opening|executing)(?: EFI binary| kernel image| image)? (\\?\S+?): ?(?:Not found|No such|.*not found)" => "the loader cannot find the kernel {1} that the entry names";
    "kernel-corrupt" PORTS Bootloader KernelInitrd Fatal 6 r"(?i)Error (?:loading|opening|executing)(?: EFI binary| kernel image| image)? (\\?\S+?): ?(?:Load error|Unsupported|Invalid parameter|Bad buffer|End of file|Buffer too small)" => "the loader cannot execute the kernel {1}: it is not a whole EFI program";
    "kernel-corrupt" PORTS Bootloader KernelInitrd Fatal 5 r"(?i)bad file number|error: (?:invalid magic number|.*premature end of file|.*too small for a kernel)" => "the loader read a damaged kernel or initrd";
    "grub-rootfs-unreadable" PORTS Bootloader LoaderEntry Fatal 6 r"error: (?:.*: )?unknown filesystem" => "GRUB cannot read the file system it is told to use";
    "grub-file-missing" PORTS Bootloader LoaderEntry Fatal 6 r"error: (?:.*: )?file [`']([^']*)' not found" => "GRUB cannot find {1}";
    "grub-file-missing" PORTS Bootloader LoaderEntry Fatal 5 r"error: (?:.*: )?(no such (?:device|partition)|no server is specified|symbol [`'][^']*' not found|can't find command)" => "GRUB stops: {1}";
    "grub-file-missing" PORTS Bootloader LoaderEntry Fatal 3 r"^grub(?: rescue)?> ?|Minimal BASH-like line editing|Entering rescue mode" => "GRUB has no configuration it could boot and waits at its prompt";
    "loader-menu-waits" PORTS Bootloader LoaderEntry Hint 3 r"Reboot Into Firmware Interface|The highlighted entry will be executed automatically|Use the . and . keys to select which entry" => "the loader shows its menu";

    // kernel and initrd
    "initrd-corrupt" LOGS Initrd KernelInitrd Hint 8 r"Initramfs unpacking failed: (.*)" => "the kernel cannot unpack the initrd: {1}";
    "kernel-panic" LOGS Kernel KernelInitrd Fatal 2 r"Kernel panic - not syncing: (.*)" => "the kernel panicked: {1}";
    "root-not-found" LOGS Rootfs RootDevice Hint 5 r#"VFS: Cannot open root device "?([^" ]*)"?"# => "the kernel has no root device {1}";
    "initrd-not-named" LOGS Initrd KernelInitrd Fatal 5 r"VFS: Unable to mount root fs on (\S+)" => "the kernel had no usable initrd and cannot mount the root file system itself";
    "init-missing" LOGS Systemd Init Fatal 6 r"No working init found|Requested init (\S+) failed" => "the root file system has no init that the kernel can execute";
    "init-killed" LOGS Systemd Init Fatal 5 r"Attempted to kill init! exitcode=(\S+)" => "PID 1 died with exit code {1}";
    "memory-too-small" LOGS Kernel Host Fatal 7 r"System is deadlocked on memory|Out of memory and no killable processes" => "the guest has too little memory to boot";
    "memory-too-small" LOGS Initrd Host Hint 9 r"Initramfs unpacking failed: (?:write error|no space left|out of memory)" => "the guest has too little memory to unpack its initrd";
    "memory-too-small" LOGS Kernel Host Hint 4 r"Out of memory: Killed process" => "the guest ran out of memory";

    // root file system
    "root-not-found" LOGS Rootfs RootDevice Fatal 6 r"Gave up waiting for root (?:file system )?device|Gave up waiting for suspend/resume.*root" => "the initrd waited for the root device, and it never appeared";
    "root-not-found" LOGS Rootfs RootDevice Fatal 7 r"ALERT!\s+(\S+) does not exist" => "the root device {1} does not exist";
    "root-not-found" LOGS Rootfs RootDevice Fatal 3 r"^\s*\(initramfs\)" => "the initrd gave up and waits at its prompt";
    "root-not-found" LOGS Rootfs RootDevice Fatal 6 r"dracut-initqueue.*(?:Warning: Could not boot|starting timeout scripts)|Warning: (/dev/\S+) does not exist" => "dracut waited for the root device {1}, and it never appeared";
    "root-not-found" LOGS Rootfs RootDevice Fatal 3 r"rdsosreport\.txt|^dracut:/#" => "dracut gave up and waits at its prompt";
    "root-not-found" LOGS Rootfs RootDevice Fatal 6 r"Timed out waiting for device (?:/dev/disk/by-\S+|\S+) - (?:/dev/)?.*root|Dependency failed for (?:initrd-root-device\.target|Initrd Root Device|sysroot\.mount|/sysroot)" => "the initrd waited for the root device, and it never appeared";
    "rootfs-corrupt" LOGS Rootfs RootDevice Fatal 8 r"EXT4-fs \((\w+)\): (?:bad geometry|VFS: Can't find ext4 filesystem|unable to read superblock|no journal found|error loading journal|group descriptors corrupted|get root inode failed|corrupt)" => "the root file system on {1} cannot be mounted: it is damaged";
    "rootfs-corrupt" LOGS Rootfs RootDevice Fatal 5 r"mount: (?:mounting \S+ on )?/(?:root|sysroot).*(?:failed|can't|wrong fs type|bad superblock)(.*)" => "the root file system cannot be mounted{1}";
    "rootfs-needs-fsck" LOGS Rootfs RootDevice Fatal 8 r"UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY|fsck exited with status code 4|fsck failed with exit status [4-9]" => "the root file system needs a repair by hand";
    "init-missing" LOGS Systemd Init Fatal 8 r"run-init: .*: No such file|Target filesystem doesn't have requested (\S+)|No init found\. Try passing init=|switch_root: .*(?:No such file|failed)|Failed to switch root.*|does not seem to be an OS tree" => "the root file system has no init that could be executed";

    // systemd
    "default-target-missing" LOGS Systemd Init Fatal 8 r"Failed to (?:load|start|isolate) default target|Failed to load rescue target" => "systemd cannot load its default target";
    "systemd-frozen" LOGS Systemd Init Fatal 5 r"systemd\[1\]: Freezing execution|Caught <\w+>, (?:core dump failed|dumped core)" => "PID 1 crashed";
    "ordering-cycle" LOGS Systemd Init Hint 6 r"Job (\S+)/start deleted to break ordering cycle" => "systemd dropped {1} to break an ordering cycle";
    "emergency-mode" LOGS Systemd Init Fatal 4 r"You are in (emergency|rescue) mode|Started (?:emergency|rescue)\.service|Reached target (?:emergency|rescue)\.target|Reached target (?:Emergency|Rescue) Mode|Cannot open access to console, the root account is locked" => "systemd went into emergency or rescue mode";
    "fstab-device-missing" LOGS Systemd Init Hint 6 r"Dependency failed for (?:local-fs\.target|Local File Systems|remote-fs\.target)" => "a file system of fstab could not be mounted";
    "firstboot-prompts" LOGS Systemd Init Fatal 7 r"-- Press any key to proceed --|Please enter (?:the new|a new) (?:root password|system locale|timezone)" => "systemd-firstboot waits for somebody to answer its questions on the console";
    "systemd-api-mounts" LOGS Systemd Init Fatal 6 r"Failed to mount API filesystems" => "PID 1 cannot mount /proc, /sys or /dev";

    // device
    "virtio-console-blacklisted" LOGS Device VirtioConsoleModule Hint 6 r"Module (virtio_console) is blacklisted|Module '(virtio_console)' is deny-listed" => "virtio_console is blacklisted and was not loaded";
    "module-unloadable" LOGS Device VirtioConsoleModule Hint 7 r"virtio_console: (?:version magic|disagrees about version|Unknown symbol|module verification failed.*refus)|Failed to insert module 'virtio_console': (.*)|Invalid (?:ELF header magic|module format).*virtio_console|Loading of unsigned module is rejected" => "the kernel refuses virtio_console.ko";

    // what else speaks on the shell device
    "getty-owns-shell-device" SHELL Shell GettyMasking Fatal 7 r"(?:^|\s)[\w.-]+ login: ?$|^Password: ?$|^Debian GNU/Linux \S+ \S+ (?:hvc|tty)" => "a getty owns the shell device: a login prompt came instead of the shell";
    "console-on-shell-device" SHELL Shell CmdlineConsole Hint 6 r"^\[ *\d+\.\d{6}\] " => "the kernel writes its log to the shell device";
    "log-to-shell-device" SHELL Shell GettyMasking Hint 6 r"^\[\s*(?:OK|FAILED|DEPEND|TIME|\*+)\s*\] |systemd\[\d+\]: " => "systemd or journald writes to the shell device";
}

/// A line of the boot that matches a pattern.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The pattern.
    pub pattern: &'static Pattern,
    /// Index in the timeline.
    pub index: usize,
    /// Host seconds.
    pub t: f64,
    /// Who said it.
    pub source: Source,
    /// The line.
    pub text: String,
    /// The sentence with the groups filled in.
    pub sentence: String,
}

struct Compiled {
    set: RegexSet,
    each: Vec<Regex>,
}

static COMPILED: LazyLock<Option<Compiled>> = LazyLock::new(|| {
    // The expressions are literals and a test compiles every one; an error here would only mean an empty table.
    let set = RegexSet::new(PATTERNS.iter().map(|p| p.regex)).ok()?;
    let each = PATTERNS
        .iter()
        .map(|p| Regex::new(p.regex))
        .collect::<Result<_, _>>()
        .ok()?;
    Some(Compiled { set, each })
});

/// The text of an observation as the patterns see it.
pub fn text_of(event: &Event) -> Option<&str> {
    match event {
        Event::QemuMessage { text }
        | Event::SerialLine { text, .. }
        | Event::ShellLine { text, .. }
        | Event::KernelLog { text, .. }
        | Event::Journal { text, .. } => Some(text),
        _ => None,
    }
}

/// All patterns that one observation matches.
pub fn scan_one(index: usize, observation: &Observation) -> Vec<Hit> {
    let (Some(text), Some(compiled)) = (text_of(&observation.event), COMPILED.as_ref()) else {
        return Vec::new();
    };
    compiled
        .set
        .matches(text)
        .into_iter()
        .filter(|i| PATTERNS[*i].channels.contains(&observation.source))
        .map(|i| Hit {
            pattern: &PATTERNS[i],
            index,
            t: observation.t,
            source: observation.source,
            text: text.to_owned(),
            sentence: fill(PATTERNS[i].sentence, &compiled.each[i], text),
        })
        .collect()
}

/// All hits of a timeline, in its order.
pub fn scan(timeline: &[Observation]) -> Vec<Hit> {
    timeline
        .iter()
        .enumerate()
        .flat_map(|(i, o)| scan_one(i, o))
        .collect()
}

/// Fills `{1}`, `{2}` with the groups that matched; a group that did not leaves nothing behind.
fn fill(sentence: &str, regex: &Regex, text: &str) -> String {
    let mut out = sentence.to_owned();
    if let Some(captures) = regex.captures(text) {
        for n in 1..captures.len().max(3) {
            let value = captures.get(n).map_or("", |m| m.as_str().trim());
            out = out.replace(&format!("{{{n}}}"), value);
        }
    }
    out.split("  ")
        .collect::<Vec<_>>()
        .join(" ")
        .trim_end()
        .trim_end_matches(':')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(source: Source, text: &str) -> Vec<&'static str> {
        let event = match source {
            Source::Shell => Event::ShellLine {
                text: text.into(),
                partial: false,
            },
            Source::Qemu => Event::QemuMessage { text: text.into() },
            Source::KernelLog => Event::KernelLog {
                guest: 0.0,
                level: 3,
                text: text.into(),
            },
            _ => Event::SerialLine {
                port: 0,
                text: text.into(),
                partial: false,
            },
        };
        scan_one(
            0,
            &Observation {
                t: 0.0,
                source,
                event,
            },
        )
        .into_iter()
        .map(|h| h.pattern.cause)
        .collect()
    }

    #[test]
    fn every_expression_compiles() {
        for pattern in PATTERNS {
            assert!(Regex::new(pattern.regex).is_ok(), "{}", pattern.regex);
        }
    }

    #[test]
    fn field_wordings_are_recognised() {
        let serial: &[(&str, &str)] = &[
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
                r"No loader found. Configuration files in \loader\entries\*.conf are needed.",
                "loader-entries-missing",
            ),
            (
                r"Error loading \vmlinuz-6.1.0-38-cloud-amd64: Not Found",
                "loader-entry-kernel-missing",
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
            (
                "Gave up waiting for root file system device.  Common problems:",
                "root-not-found",
            ),
            (
                "ALERT!  PARTUUID=dead does not exist.  Dropping to a shell!",
                "root-not-found",
            ),
            (
                "[    1.6] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
                "initrd-not-named",
            ),
            (
                "/dev/vda2: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.",
                "rootfs-needs-fsck",
            ),
            (
                "You are in emergency mode. After logging in, type \"journalctl -xb\"",
                "emergency-mode",
            ),
            ("-- Press any key to proceed --", "firstboot-prompts"),
        ];
        for (text, cause) in serial {
            assert!(
                hits(Source::Serial, text).contains(cause),
                "{text}: {:?}",
                hits(Source::Serial, text)
            );
        }
        assert_eq!(
            hits(Source::Shell, "debian login: "),
            ["getty-owns-shell-device"]
        );
        assert!(
            hits(
                Source::Qemu,
                "qemu-system-x86_64: CPU model 'host' requires KVM or HVF"
            )
            .contains(&"cpu-host-without-kvm")
        );
    }

    #[test]
    fn a_successful_start_is_no_hit() {
        let line = r#"BdsDxe: starting Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0)"#;
        assert!(hits(Source::Serial, line).is_empty());
        assert!(
            hits(Source::Serial, "debian login: ").is_empty(),
            "a login prompt on the console is no fault"
        );
        assert!(hits(Source::Shell, "Spawning backdoor root shell...").is_empty());
    }

    #[test]
    fn sentences_take_their_groups() {
        let event = Event::SerialLine {
            port: 0,
            text: "ALERT!  PARTUUID=dead does not exist.".into(),
            partial: false,
        };
        let hits = scan_one(
            0,
            &Observation {
                t: 1.0,
                source: Source::Serial,
                event,
            },
        );
        assert_eq!(
            hits[0].sentence,
            "the root device PARTUUID=dead does not exist"
        );
    }
}
