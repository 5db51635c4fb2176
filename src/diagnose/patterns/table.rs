//! What a guest, its firmware, its loader and QEMU say when they fail: one flat table.
//!
//! Both old and new wordings are in the field, and consoles cut long lines, so no expression needs the end of a line.
//! Columns: cause · channels · stage that is not completed · critical point · who must act · weight · how exactly the line
//! names the cause · expression · sentence.

use super::{Pattern, Weight};
use crate::boot::timeline::Source;
use crate::critical_point::CriticalPoint as Cp;
use crate::diagnose::verdict::Blame;
use crate::stage::Stage;

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
    ($($cause:literal $channels:ident $stage:ident $cp:ident $blame:ident $weight:ident $specific:literal $regex:literal => $sentence:literal;)+) => {
        /// The table. Order has no meaning.
        pub static PATTERNS: &[Pattern] = &[$(Pattern {
            cause: $cause, regex: $regex, channels: $channels, stage: Stage::$stage, critical_point: Cp::$cp,
            blame: Blame::$blame, weight: Weight::$weight, specific: $specific, sentence: $sentence,
        }),+];
    };
}

patterns! {
    // QEMU and the host
    "kvm-missing" QEMU Host Host Host Fatal 5 r"(?i)could not access KVM kernel module|failed to initialize kvm" => "KVM cannot be used on this host";
    "cpu-host-without-kvm" QEMU Host Host Launch Fatal 6 r"CPU model '(?:host|max)' requires (?:KVM|HVF)" => "`-cpu host` needs KVM, which is not in use";
    "kvm-broken" QEMU Host Host Host Fatal 6 r"(?i)failed to set MSR|KVM internal error|error: kvm run failed" => "KVM opens on this host but cannot run a guest";
    "image-locked" QEMU Host Host Host Fatal 6 r#"(?i)failed to get (?:shared )?"?(?:write|consistent read)"? lock"# => "another process has the image open for writing";
    "firmware-pair-mismatch" QEMU Host Host Launch Fatal 6 r"device requires (\d+) bytes, (?:block backend|.*?) provides (\d+) bytes" => "OVMF code and variable store are not a pair: QEMU wants {1} bytes and was given {2}";
    "vde-socket-missing" QEMU Host Host Host Fatal 6 r"(?i)(?:could not open|failed to connect|cannot).{0,80}\bvde\b|\bvde\b.{0,80}(?:could not be initialized|no such file)|netdev.{0,40}type 'vde'|'vde' is not a valid netdev" => "the VDE switch socket of the test network is not there, or this QEMU has no VDE";
    "memory-unavailable" QEMU Host Host Host Fatal 6 r"(?i)cannot set up guest memory|cannot allocate memory" => "the host cannot give the guest its memory";
    "qemu-device-unknown" QEMU Host Host Launch Fatal 4 r"(?i)is not a valid device model name|Device '[^']+' not found|invalid option|unsupported machine type" => "this QEMU does not know one of its arguments";
    "image-unopenable" QEMU Host Host Host Fatal 4 r"(?i)could not open '([^']*)'" => "QEMU cannot open {1}";

    // firmware
    "esp-loader-missing" PORTS Firmware FirmwareEntry Image Hint 2 r"BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4}.*: Not Found" => "the firmware found nothing to start on the disk";
    "esp-loader-invalid" PORTS Firmware FirmwareEntry Image Hint 6 r"BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4}.*: (?:Unsupported|Load Error|Invalid Parameter|Buffer Too Small|End of File)" => "the firmware refuses the loader on the ESP: it is not an EFI program for this machine";
    "esp-filesystem-corrupt" PORTS Firmware FirmwareEntry Image Hint 6 r"BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4}.*: (?:Volume Corrupted|Device Error)" => "the firmware cannot read the ESP: its file system is damaged";
    "loader-unsigned" PORTS Firmware FirmwareEntry Image Fatal 8 r"BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4}.*: (?:Access Denied|Security Violation)|(?i)bad shim signature|Verification failed: .*(?:Security Violation|0x1A)" => "Secure Boot refuses the loader: it is not signed by a key this firmware trusts";
    "loader-unsigned" PORTS Bootloader FirmwareEntry Image Fatal 8 r"(?i)^Error (?:loading|executing).*: (?:Access denied|Security violation)" => "Secure Boot refuses the kernel: it is not signed by a key this firmware trusts";
    "esp-loader-missing" PORTS Firmware FirmwareEntry Image Fatal 4 r#"BdsDxe: starting Boot[0-9A-F]{4} "(?:EFI Internal Shell|UEFI Shell)"|UEFI Interactive Shell|^Shell> "# => "the firmware found no loader and started the EFI shell";
    "esp-loader-missing" PORTS Firmware FirmwareEntry Image Fatal 4 r"BdsDxe: No bootable option or device was found|Press any key to enter the Boot Manager Menu" => "the firmware found no loader on any device";
    "esp-loader-missing" PORTS Firmware FirmwareEntry Image Hint 3 r">>Start (?:PXE|HTTP Boot) over IPv[46]" => "the firmware found no loader on the disk and tries the network";
    "loader-crashed" PORTS Bootloader LoaderEntry Image Fatal 5 r"!!!! (?:X64|AARCH64|Synchronous|IA32) .{0,24}Exception|Exception Type - [0-9A-F]{2}" => "an EFI program crashed after the firmware started it";
    "firmware-assertion" PORTS Firmware Host Host Fatal 4 r"^ASSERT(?:_EFI_ERROR)? |^ASSERT \[" => "the firmware itself failed an assertion";

    // loaders
    "loader-entries-missing" PORTS Bootloader LoaderEntry Image Fatal 7 r"No loader found\. Configuration files in" => "systemd-boot found no loader entry";
    "loader-entry-initrd-missing" PORTS Bootloader LoaderEntry Image Fatal 7 r"(?i)Error (?:preparing|loading|opening) initrd\S*:? ?|EFI stub: ERROR: Failed to (?:load|open).*initrd" => "the loader cannot load the initrd that the entry names";
    "loader-entry-kernel-missing" PORTS Bootloader LoaderEntry Image Fatal 6 r"(?i)Error (?:loading|opening|executing)(?: EFI binary| kernel image| image)? (\\?\S+?): ?(?:Not found|No such|.*not found)" => "the loader cannot find the kernel {1} that the entry names";
    "kernel-corrupt" PORTS Bootloader KernelInitrd Image Fatal 6 r"(?i)(?:Error (?:loading|opening|executing)|Failed to execute|Bad kernel image)(?: EFI binary| kernel image| image)?:? ?(\\?\S+?)?(?: \([^)]*\))?: ?(?:Load error|Unsupported|Invalid parameter|Bad buffer|End of file|Buffer too small|Volume corrupt)" => "the loader cannot execute the kernel {1}: it is not a whole EFI program";
    "kernel-corrupt" PORTS Bootloader KernelInitrd Image Fatal 5 r"(?i)bad file number|error: (?:.*: )?(?:invalid magic number|premature end of file|.*too small for a kernel|you need to load the kernel first)" => "the loader read a damaged kernel";
    "grub-rootfs-unreadable" PORTS Bootloader LoaderEntry Image Fatal 6 r"error: (?:.*: )?unknown filesystem" => "GRUB cannot read the file system it is told to use";
    "grub-file-missing" PORTS Bootloader LoaderEntry Image Fatal 6 r"error: (?:.*: )?file [`']([^']*)' not found" => "GRUB cannot find {1}";
    "grub-file-missing" PORTS Bootloader LoaderEntry Image Fatal 5 r"error: (?:.*: )?(no such (?:device|partition)|no server is specified|symbol [`'][^']*' not found|can't find command)" => "GRUB stops: {1}";
    "grub-file-missing" PORTS Bootloader LoaderEntry Image Fatal 3 r"^grub(?: rescue)?> ?|Minimal BASH-like line editing|Entering rescue mode\.\.\." => "GRUB has no configuration it could boot and waits at its prompt";
    "loader-menu-waits" PORTS Bootloader LoaderEntry Image Hint 3 r"Reboot Into Firmware Interface|The highlighted entry will be executed automatically|Use the . and . keys to select which entry" => "the loader shows its menu";

    // kernel and initrd
    "kernel-corrupt" PORTS Kernel KernelInitrd Image Fatal 7 r"EFI stub: ERROR: .*decompress|-- System halted|(?i)(?:ZSTD|LZ4|XZ|gzip|GZIP|LZMA)-?(?:compressed)? ?data (?:is corrupt|probably corrupt).*halted" => "the kernel cannot unpack itself: its image is damaged";
    "kernel-corrupt" PORTS Kernel KernelInitrd Image Fatal 5 r"EFI stub: ERROR: (.*)" => "the kernel's EFI stub stops: {1}";
    "initrd-compression-unsupported" LOGS Initrd KernelInitrd Image Hint 9 r"Initramfs unpacking failed: (invalid magic at start of compressed archive|compression method \S+ not configured)" => "the kernel has no way to unpack the initrd: {1}";
    "initrd-corrupt" LOGS Initrd KernelInitrd Image Hint 8 r"Initramfs unpacking failed: (.*)|initramfs unpacking failed: (.*)" => "the kernel cannot unpack the initrd: {1}";
    "initrd-corrupt" LOGS Initrd KernelInitrd Image Hint 4 r"Failed to execute /init \(error (-\d+)\)" => "the kernel cannot execute the initrd's /init (error {1})";
    "kernel-panic" LOGS Kernel KernelInitrd Image Fatal 2 r"Kernel panic - not syncing: (.*)" => "the kernel panicked: {1}";
    "timer-starved" LOGS Kernel Host Host Fatal 7 r"IO-APIC \+ timer doesn't work|MP-BIOS bug: 8254 timer not connected.*not syncing" => "the host is so busy that the emulated timer's interrupts came too late for the kernel's check";
    "root-not-found" LOGS Rootfs RootDevice Image Hint 4 r#"VFS: Cannot open root device "?([^" ]*)"?"# => "the kernel has no root device {1}";
    "initrd-not-named" LOGS Initrd KernelInitrd Image Fatal 5 r"VFS: Unable to mount root fs(?: on (\S+))?" => "the kernel had no usable initrd and cannot mount the root file system itself";
    "init-missing" LOGS Systemd Init Image Fatal 6 r"No working init found|Requested init (\S+) failed" => "the root file system has no init that the kernel can execute";
    "init-killed" LOGS Systemd Init Image Fatal 5 r"Attempted to kill init! exitcode=(\S+)" => "PID 1 died with exit code {1}";
    "memory-too-small" LOGS Kernel Host Launch Fatal 7 r"System is deadlocked on memory|Out of memory and no killable processes" => "the guest has too little memory to boot";
    "memory-too-small" LOGS Initrd Host Launch Hint 9 r"(?i)Initramfs unpacking failed: (?:write error|no space left|out of memory|junk .* no memory)" => "the guest has too little memory to unpack its initrd";
    "memory-too-small" PORTS Kernel Host Launch Fatal 9 r"(?i)^Error .*: Out of resources|EFI stub: ERROR: .*: (?:0x8000000000000009|out of resources)" => "the guest has too little memory for its kernel and initrd";
    "memory-too-small" LOGS Kernel Host Launch Hint 4 r"Out of memory: Killed process" => "the guest ran out of memory";

    // root file system
    "root-not-found" LOGS Rootfs RootDevice Image Fatal 6 r"Gave up waiting for root (?:file system )?device|Gave up waiting for suspend/resume.*root" => "the initrd waited for the root device, and it never appeared";
    "root-not-found" LOGS Rootfs RootDevice Image Fatal 7 r"ALERT!\s+(\S+) does not exist" => "the device {1} does not exist";
    "initrd-gave-up" LOGS Rootfs RootDevice Image Fatal 3 r"^\s*\(initramfs\)|Spawning shell within the initramfs" => "the initrd gave up and waits at its prompt";
    "root-not-found" LOGS Rootfs RootDevice Image Fatal 7 r"Warning: (/dev/\S+) does not exist" => "the device {1} does not exist";
    "root-not-found" LOGS Rootfs RootDevice Image Fatal 6 r"dracut-initqueue.*(?:Warning: Could not boot|starting timeout scripts)|dracut.*FATAL: (?:No or empty root= argument|Don't know how to handle .root)|No root device specified" => "the initrd waited for the root device, and it never appeared";
    "initrd-gave-up" LOGS Rootfs RootDevice Image Fatal 3 r"rdsosreport\.txt|^dracut:/#" => "dracut gave up and waits at its prompt";
    "root-not-found" LOGS Rootfs RootDevice Image Fatal 6 r"Timed out waiting for device (?:/dev/disk/by-\S+|\S+) - (?:/dev/)?.*root|Dependency failed for (?:initrd-root-device\.target|Initrd Root Device|sysroot\.mount|/sysroot)" => "the initrd waited for the root device, and it never appeared";
    "rootfs-corrupt" LOGS Rootfs RootDevice Image Fatal 8 r"EXT4-fs \((\w+)\): (?:bad geometry|VFS: Can't find ext4 filesystem|unable to read superblock|no journal found|error loading journal|group descriptors corrupted|get root inode failed|corrupt)" => "the root file system on {1} cannot be mounted: it is damaged";
    "rootfs-corrupt" LOGS Rootfs RootDevice Image Hint 7 r"JBD2: (?:no valid journal superblock|journal file too short)" => "the journal of a file system is damaged";
    "root-mount-failed" LOGS Rootfs RootDevice Image Fatal 7 r"mount: (?:mounting (\S+) on )?/(?:root|sysroot)/? ?(?:failed|:).*|Failed to mount (\S+) as root file ?system|Failed to mount (?:sysroot\.mount|/sysroot)" => "the root file system {1} cannot be mounted";
    "rootfs-corrupt" LOGS Rootfs RootDevice Image Hint 5 r"attempt to access beyond end of device" => "the root file system is larger than what the image holds of it";
    "rootfs-needs-fsck" LOGS Rootfs RootDevice Image Fatal 8 r"UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY|requires a manual fsck|fsck exited with status code 4|fsck failed with (?:exit status|error code) [4-9]" => "the root file system needs a repair by hand";
    "rootfs-needs-fsck" LOGS Systemd RootDevice Image Fatal 8 r"\*\*\*\*\* REBOOT SYSTEM \*\*\*\*\*|fsck failed with (?:exit status|error code) [23]\b" => "fsck repaired the root file system while it was mounted, and restarts the machine";
    "init-missing" LOGS Systemd Init Image Fatal 6 r"run-init: .*: No such file|No init found\. Try passing init=|switch_root: .*(?:No such file|failed)|Failed to switch root.*|does not seem to be an OS tree" => "the root file system has no init that could be executed";
    "init-missing" LOGS Systemd Init Image Hint 6 r"Target filesystem doesn't have requested (\S+?)\.?$" => "the root file system has no {1}";
    "init-missing" PORTS Systemd Init Image Hint 4 r"^/bin/sh: 0: can't access tty; job control turned off" => "the initrd found no init and started /bin/sh in its place";

    // systemd
    "default-target-misses-unit" LOGS Systemd Init Image Hint 7 r"Failed to load default target|Default target masked|(?:Falling back to|Trying to load) rescue" => "systemd cannot load its default target";
    "default-target-misses-unit" LOGS Systemd Init Image Hint 7 r"Queued start job for default target ((?:rescue|emergency)\.target|Rescue Mode|Emergency Mode)" => "the default target is {1}, which does not start the backdoor";
    "systemd-frozen" LOGS Systemd Init Image Fatal 5 r"systemd\[1\]: Freezing execution|Caught <\w+>, (?:core dump failed|dumped core)|Failed to load rescue target" => "PID 1 crashed";
    "ordering-cycle" LOGS Unit Init Image Hint 6 r"Job (\S+)/start deleted to break ordering cycle" => "systemd dropped {1} to break an ordering cycle";
    "emergency-mode" LOGS Systemd Init Image Fatal 4 r"You are in (emergency|rescue) mode|Started (?:emergency|rescue)\.service|Reached target (?:emergency|rescue)\.target|Reached target (?:Emergency|Rescue) Mode|Cannot open access to console, the root account is locked|Give root password for maintenance|Press Enter for (?:system )?maintenance|Welcome to (?:emergency|rescue) mode" => "systemd went into emergency or rescue mode";
    "fstab-device-missing" LOGS Systemd Init Image Hint 7 r"Dependency failed for (?:\S+\.mount - )?(/[\w.][\w./-]*[\w-])" => "{1} of fstab could not be mounted: its device never came";
    "fstab-device-missing" LOGS Systemd Init Image Hint 6 r"Dependency failed for (?:local-fs\.target|Local File Systems)" => "a file system of fstab could not be mounted";
    "mount-failed" LOGS Systemd Init Image Hint 6 r"Failed to mount (?:\S+\.mount - )?(/[\w.][\w./-]*[\w-])" => "{1} of fstab could not be mounted";
    "firstboot-prompts" LOGS Systemd Init Image Fatal 7 r"-- Press any key to proceed --|Please (?:enter|configure) (?:the new|a new|your system|the system).*(?:password|locale|timezone|hostname|!)" => "systemd-firstboot waits for somebody to answer its questions on the console";
    "systemd-api-mounts" LOGS Systemd Init Image Fatal 6 r"Failed to mount API filesystems" => "PID 1 cannot mount /proc, /sys or /dev";

    // device
    "virtio-console-blacklisted" LOGS Device VirtioConsoleModule Image Hint 6 r"[Mm]odule '?(virtio_console)'? is (?:blacklisted|deny-listed)" => "virtio_console is blacklisted and was not loaded";
    "virtio-console-missing" LOGS Device VirtioConsoleModule Image Hint 6 r"Failed to find module 'virtio_console'|FATAL: Module virtio_console not found" => "there is no module virtio_console for this kernel";
    "module-unloadable" LOGS Device VirtioConsoleModule Image Hint 7 r"virtio_console: (?:version magic|disagrees about version|Unknown symbol|module verification failed.*refus)|Failed to insert module 'virtio_console': (.*)|could not insert '?virtio_console'?: (.*)" => "the kernel refuses virtio_console.ko";
    "module-unloadable" LOGS Device VirtioConsoleModule Image Hint 4 r"Loading of (?:unsigned )?module (?:with unavailable key )?is rejected|unsigned module loading is restricted|Invalid ELF header|Invalid module format|Invalid (?:architecture|section)" => "the kernel refused a module";
    "udevd-disabled" LOGS Device VirtioConsoleModule Image Hint 7 r"systemd-udevd\.service: (?:Failed (?:at step EXEC|to execute|with result|to locate)|Start request repeated)|Failed to start (?:systemd-udevd\.service|Rule-based Manager)|Dependency failed for (?:systemd-udevd\.service|Rule-based Manager)" => "udevd does not run";

    // what else speaks on the shell device
    "getty-owns-shell-device" SHELL Shell GettyMasking Image Fatal 7 r"(?:^|\s)[\w.-]+ login: ?$|^Password: ?$|^(?:Debian GNU/Linux|Ubuntu) \S+.* (?:hvc|tty)" => "a getty owns the shell device: a login prompt came instead of the shell";
    "console-on-shell-device" SHELL Shell CmdlineConsole Image Hint 6 r"^\[ *\d+\.\d{6}\] " => "the kernel writes its log to the shell device";
    "log-to-shell-device" SHELL Shell GettyMasking Image Hint 6 r"^\[\s*(?:OK|FAILED|DEPEND|TIME|\*+)\s*\] |systemd\[\d+\]: |^\[ *\d+\.\d{6}\] \S+\[\d+\]: " => "systemd or journald writes to the shell device";
    "shell-interactive" SHELL Shell StdioRedirect Image Hint 7 r"bash: (?:no job control in this shell|cannot set terminal process group)|^\S*root@\S+:\S*# ?$" => "the shell is interactive: its prompt gets into the driver's protocol";
}
