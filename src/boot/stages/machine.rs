//! From observations to stages.

use super::log_marks::{Mark, is_loader, marks, started_by_firmware, without_prefix};
use super::{Reached, Stages};
use crate::boot::interview;
use crate::boot::names::Names;
use crate::boot::timeline::{Event, Observation, Source};
use crate::inspect::source::Location;
use crate::profile::Goal;
use crate::stage::Stage;

/// `DRIVER_OK` (virtio 1.2, 2.1).
const DRIVER_OK: u8 = 4;

/// Takes observations one by one, in any order.
#[derive(Debug)]
pub struct StageMachine {
    names: Names,
    stages: Stages,
    /// The loader has read the kernel to its end.
    kernel_loaded: bool,
    /// The last systemd banner was the initrd's.
    in_initrd: bool,
    /// A banner was seen and it is not known yet whose.
    banner: bool,
    /// Files of the root file system read by Linux so far (two make a mounted file system; one can be a probe's read-ahead).
    root_files: u32,
}

impl StageMachine {
    /// A machine for an image with these names.
    pub fn new(names: Names) -> StageMachine {
        StageMachine {
            names,
            stages: Stages::default(),
            kernel_loaded: false,
            in_initrd: false,
            banner: false,
            root_files: 0,
        }
    }

    /// The stages so far.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// The stages.
    pub fn into_stages(self) -> Stages {
        self.stages
    }

    /// The observation that announces a stage; `t` is the time of what revealed it.
    pub fn reached_event(&self, stage: Stage, t: f64) -> Option<Observation> {
        let how = self.stages.get(stage)?;
        Some(Observation {
            t: how.t.min(t),
            source: Source::Doctor,
            event: Event::StageReached {
                stage,
                evidence: how.evidence.clone(),
            },
        })
    }

    /// Takes an observation; gives the stages that are newly reached, in order.
    pub fn take(&mut self, seen: &Observation) -> Vec<Stage> {
        let before: Vec<Stage> = self.stages.0.keys().copied().collect();
        match &seen.event {
            Event::Started { qemu, accel } => {
                self.reach(Stage::Host, seen.t, format!("QEMU {qemu} runs ({accel})"));
            }
            Event::SerialLine { text, partial, .. } => self.serial(seen.t, text, *partial),
            Event::KernelLog { text, .. } => {
                self.reach(Stage::Kernel, seen.t, format!("kernel log: {text}"));
                self.log(seen.t, text, "kernel log");
            }
            Event::Journal {
                text,
                unit,
                identifier,
                ..
            } => self.journal(seen.t, text, unit.as_deref(), identifier.as_deref()),
            Event::DiskRead {
                partition,
                path,
                whole,
                ..
            } => self.disk(seen.t, partition, path, *whole),
            Event::VirtioStatus { device, status } => self.virtio(seen.t, device, *status),
            Event::PortOpen { open: true, .. } => self.device(seen.t, "its driver opened the port"),
            Event::PortWrites { .. } | Event::ShellLine { .. } => {
                self.device(seen.t, "the guest wrote to it");
            }
            Event::MagicLine { .. } => {
                self.device(seen.t, "the magic line came over it");
                self.reach(Stage::Script, seen.t, "the magic line arrived".to_owned());
            }
            Event::ShellAnswered {
                command,
                output,
                code,
            } if interview::proves_shell(command, output, *code) => {
                self.reach(
                    Stage::Shell,
                    seen.t,
                    "the shell answered a command".to_owned(),
                );
            }
            _ => {}
        }
        self.stages
            .0
            .keys()
            .copied()
            .filter(|s| !before.contains(s))
            .collect()
    }

    fn reach(&mut self, stage: Stage, t: f64, evidence: String) {
        for earlier in implied(stage) {
            self.stages.0.entry(*earlier).or_insert_with(|| Reached {
                t,
                evidence: format!("{stage} was reached: {evidence}"),
                implied: true,
            });
        }
        match self.stages.0.get_mut(&stage) {
            None => {
                let reached = Reached {
                    t,
                    evidence,
                    implied: false,
                };
                self.stages.0.insert(stage, reached);
            }
            // Now proven by itself; the earlier time stands.
            Some(reached) if reached.implied => {
                *reached = Reached {
                    t: reached.t.min(t),
                    evidence,
                    implied: false,
                };
            }
            // Evidence from a slower channel of an earlier moment.
            Some(reached) if t < reached.t => {
                reached.t = t;
                reached.evidence = evidence;
            }
            Some(_) => {}
        }
    }

    fn serial(&mut self, t: f64, text: &str, partial: bool) {
        let (line, kernel) = without_prefix(text);
        if kernel {
            self.reach(Stage::Kernel, t, format!("console: {line}"));
        } else if !self.stages.reached(Stage::Kernel) {
            self.reach(Stage::Firmware, t, format!("console: {line}"));
        }
        self.log(t, line, "console");
        if self.names.profile.goal == Goal::Login && partial && line.trim_end().ends_with("login:")
        {
            self.reach(Stage::Shell, t, format!("console: {line}"));
        }
    }

    fn log(&mut self, t: f64, text: &str, channel: &str) {
        let evidence = || format!("{channel}: {text}");
        for mark in marks(text) {
            match mark {
                Mark::Firmware => self.reach(Stage::Firmware, t, evidence()),
                // Words that other programs use too: only before Linux runs.
                Mark::Bootloader if self.stages.reached(Stage::Initrd) => {}
                Mark::Bootloader => self.reach(Stage::Bootloader, t, evidence()),
                Mark::Kernel => self.reach(Stage::Kernel, t, evidence()),
                Mark::Initrd if self.stages.reached(Stage::Systemd) => {}
                Mark::Initrd => self.reach(Stage::Initrd, t, evidence()),
                Mark::Rootfs => self.reach(Stage::Rootfs, t, evidence()),
                Mark::SystemdBanner => self.banner = true,
                Mark::RunningInInitrd => {
                    self.in_initrd = true;
                    self.banner = false;
                    self.reach(Stage::Initrd, t, evidence());
                }
                Mark::SwitchRoot => {
                    self.in_initrd = false;
                    self.banner = false;
                    self.reach(Stage::Rootfs, t, evidence());
                }
                Mark::SystemdWorks => {
                    let rooted = self.stages.reached(Stage::Rootfs) || self.banner;
                    if rooted && !self.in_initrd {
                        self.reach(Stage::Systemd, t, evidence());
                    }
                }
            }
        }
        let device = format!("dev-{}.device", self.names.profile.device);
        let path = format!("Found device /dev/{}", self.names.profile.device);
        if (text.contains("Found device ") && text.contains(&device)) || text.contains(&path) {
            self.reach(Stage::Device, t, evidence());
        }
        if self.started(text) {
            self.reach(Stage::Unit, t, evidence());
        }
    }

    /// `Started nixos-test-backdoor.service - Description.`, by name or by description alone (`StatusUnitFormat=`).
    fn started(&self, text: &str) -> bool {
        let text = text.strip_prefix("systemd[1]: ").unwrap_or(text);
        let text = text.strip_prefix("[  OK  ] ").unwrap_or(text);
        let Some(rest) = text
            .strip_prefix("Started ")
            .or_else(|| text.strip_prefix("Starting "))
        else {
            return false;
        };
        let named = rest.strip_prefix(self.names.unit.as_str());
        let described = self
            .names
            .unit_description
            .as_deref()
            .is_some_and(|d| !d.is_empty() && rest.trim_end_matches('.') == d);
        named.is_some_and(|after| after.is_empty() || after.starts_with([' ', '.'])) || described
    }

    fn journal(&mut self, t: f64, text: &str, unit: Option<&str>, identifier: Option<&str>) {
        let own = unit == Some(self.names.unit.as_str());
        match identifier {
            Some("systemd") | None => {
                self.log(t, &format!("systemd[1]: {text}"), "journal");
                if own && (text.starts_with("Started ") || text.starts_with("Starting ")) {
                    self.reach(Stage::Unit, t, format!("journal: {text}"));
                }
            }
            Some("kernel") => self.log(t, text, "journal"),
            // `(backdoor.sh)` is systemd's own child before it becomes the script.
            Some(name) if own && !name.starts_with('(') => {
                self.reach(Stage::Script, t, format!("journal: {name}: {text}"));
            }
            Some(_) => {}
        }
    }

    fn disk(&mut self, t: f64, partition: &str, path: &str, whole: bool) {
        let is = |location: &Location| {
            location.partition.as_deref() == Some(partition)
                && location
                    .path
                    .as_deref()
                    .is_some_and(|p| p.eq_ignore_ascii_case(path))
        };
        let evidence = || format!("read of {partition}:{path}");
        let entered = self.stages.reached(Stage::Kernel);
        if !entered {
            let lower = path.to_ascii_lowercase();
            let file = lower.rsplit('/').next().unwrap_or_default();
            let generic = lower.starts_with("/efi/boot/boot") || lower.starts_with("/loader/");
            let loader =
                self.names.loader.iter().any(is) || (self.names.loader.is_empty() && generic);
            let kernel = self.names.kernel.iter().any(is)
                || (self.names.kernel.is_none()
                    && (file.starts_with("vmlinuz") || file.starts_with("bzimage")));
            // Part of a file can be a neighbour's read-ahead.
            if whole && (loader || kernel) {
                self.reach(Stage::Bootloader, t, evidence());
                self.kernel_loaded |= kernel;
            }
        }
        let own = match &self.names.root {
            Some(root) => root == partition,
            None => ["/etc/", "/usr/", "/lib/", "/sbin/", "/bin/"]
                .iter()
                .any(|d| path.starts_with(d)),
        };
        if !own || path.starts_with('<') {
            return;
        }
        let init = self.names.init.iter().any(is)
            || (self.names.init.is_none() && path.ends_with("/lib/systemd/systemd"));
        // No loader reads PID 1: where nothing else shows that Linux runs, this does.
        let linux = entered || (init && self.kernel_loaded);
        if !linux {
            return;
        }
        self.root_files += 1;
        if init || self.names.unit_file.iter().any(is) {
            self.reach(Stage::Systemd, t, evidence());
        } else if self.names.script.iter().any(is) && self.names.script_runnable {
            self.reach(Stage::Script, t, evidence());
        } else if self.root_files >= 2 {
            self.reach(Stage::Rootfs, t, evidence());
        }
    }

    fn virtio(&mut self, t: f64, device: &str, status: u8) {
        let entered = self.stages.reached(Stage::Kernel);
        if !entered && status != 0 {
            self.reach(
                Stage::Firmware,
                t,
                format!("{device} is driven (status {status:#x})"),
            );
        }
        if device == "virtio-blk" && !entered && status == 0 && self.kernel_loaded {
            // OVMF's driver resets its device at ExitBootServices (`VirtioBlkExitBoot`).
            let evidence =
                "the firmware let go of the disk (ExitBootServices) after the kernel was read";
            self.reach(Stage::Kernel, t, evidence.to_owned());
        }
        if device == "virtio-blk"
            && entered
            && status & DRIVER_OK != 0
            && self.names.disk_driver_builtin == Some(false)
        {
            self.reach(
                Stage::Initrd,
                t,
                "the disk's driver, a module of the initrd, is loaded".to_owned(),
            );
        }
        if device == "virtio-serial" && status & DRIVER_OK != 0 {
            self.device(t, "its driver is bound (DRIVER_OK)");
        }
    }

    /// The shell device shows life. Firmware drives virtio devices too (`VirtioSerialDxe`): only Linux counts.
    fn device(&mut self, t: f64, evidence: &str) {
        let name = &self.names.profile.device;
        if self.stages.reached(Stage::Kernel) && name.starts_with("hvc") {
            let evidence = format!("/dev/{name}: {evidence}");
            self.reach(Stage::Device, t, evidence);
        }
    }
}

/// Whether a console line shows the firmware's own shell, menu or network boot being started.
pub fn firmware_gave_up(text: &str) -> bool {
    started_by_firmware(text).is_some_and(|option| !is_loader(option))
}

/// What a stage proves besides itself. The device is apart: it can come before the root file system (driver built in or in the
/// initrd), and the unit can run without it.
fn implied(stage: Stage) -> &'static [Stage] {
    use Stage::*;
    match stage {
        Host | Firmware => &[Host],
        Bootloader => &[Host, Firmware],
        Kernel => &[Host, Firmware, Bootloader],
        Initrd | Device => &[Host, Firmware, Bootloader, Kernel],
        Rootfs => &[Host, Firmware, Bootloader, Kernel, Initrd],
        Systemd => &[Host, Firmware, Bootloader, Kernel, Initrd, Rootfs],
        Unit => &[Host, Firmware, Bootloader, Kernel, Initrd, Rootfs, Systemd],
        Script => &[
            Host, Firmware, Bootloader, Kernel, Initrd, Rootfs, Systemd, Unit,
        ],
        Shell => &[
            Host, Firmware, Bootloader, Kernel, Initrd, Rootfs, Systemd, Device, Unit, Script,
        ],
    }
}
