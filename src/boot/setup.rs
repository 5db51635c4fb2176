//! From the user's wishes to a plan: QEMU, firmware, image, memory.

use super::accel::{Accel, Choice};
use super::firmware::{self, Firmware};
use super::image::{self, Format};
use super::launch::{self, Launch, Parts};
use super::machine::private_copy;
use super::outcome::HostFacts;
use super::qemu::{self, Qemu};
use super::trouble::{BootError, HostTrouble, Kind};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Below this (MiB) OVMF cannot load a kernel and initrd of any size: measured with OVMF 2022.11, whose loader starts and then
/// hangs, resets or finds no room.
const LEAST_MEMORY: u64 = 160;
/// Guest memory when nothing is asked for (MiB): enough for a Debian image whose initrd is unpacked in RAM.
pub const DEFAULT_MEMORY: u64 = 1024;
/// vCPUs when nothing is asked for.
pub const DEFAULT_SMP: u32 = 2;
/// QEMU's own need beside the guest's memory (MiB).
const QEMU_NEED: u64 = 128;

/// What the user asks of the machine.
#[derive(Debug, Clone)]
pub struct MachineOptions {
    /// `--qemu`.
    pub qemu: Option<PathBuf>,
    /// `--ovmf-code`.
    pub ovmf_code: Option<PathBuf>,
    /// `--ovmf-vars`.
    pub ovmf_vars: Option<PathBuf>,
    /// `--secure-boot`.
    pub secure_boot: bool,
    /// `--accel`.
    pub accel: Choice,
    /// `--memory` in MiB.
    pub memory: u64,
    /// `--smp`.
    pub smp: u32,
    /// `--exact`: nothing is added for observation.
    pub exact: bool,
    /// Further options of the image's `-drive`.
    pub drive: Option<&'static str>,
    /// Arguments after `--`.
    pub extra: Vec<OsString>,
}

/// A host that can boot an image: everything found and checked.
#[derive(Debug)]
pub struct Prepared {
    /// The user's options.
    pub options: MachineOptions,
    /// QEMU.
    pub qemu: Qemu,
    /// Firmware.
    pub firmware: Firmware,
    /// Image, absolute.
    pub image: PathBuf,
    /// Its format.
    pub format: Format,
    /// What was found.
    pub host: HostFacts,
}

/// Facts of this host that need no QEMU.
pub fn host_facts() -> HostFacts {
    HostFacts {
        cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        memory_available: memory_available().unwrap_or(0),
        ..HostFacts::default()
    }
}

/// `MemAvailable` in MiB (proc_meminfo(5)).
fn memory_available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib >> 10)
}

/// Whether the guest's memory makes sense and is there.
pub fn check_memory(memory: u64, available: u64) -> Result<(), HostTrouble> {
    if memory < LEAST_MEMORY {
        return Err(HostTrouble::new(
            Kind::MemoryTooSmall,
            format!(
                "{memory} MiB of guest memory are too little: firmware, kernel and initrd need at least {LEAST_MEMORY}"
            ),
            "give the guest at least 512 MiB with --memory",
        ));
    }
    if available > 0 && memory + QEMU_NEED > available {
        return Err(HostTrouble::new(
            Kind::MemoryUnavailable,
            format!(
                "the guest is to get {memory} MiB of memory, and the host has {available} MiB available"
            ),
            "free memory on the host, or give the guest less with --memory",
        ));
    }
    Ok(())
}

/// Finds what an own machine needs.
pub fn prepare(image: &Path, options: MachineOptions) -> Result<Prepared, HostTrouble> {
    let format = image::examine(image)?;
    let path = std::env::var_os("PATH");
    let qemu = qemu::find(options.qemu.as_deref(), path.as_deref())?;
    let firmware = firmware::find(
        options.ovmf_code.as_deref(),
        options.ovmf_vars.as_deref(),
        Some(&qemu.path),
        options.secure_boot,
    )?;
    let mut host = host_facts();
    check_memory(options.memory, host.memory_available)?;
    host.qemu = Some(qemu.path.display().to_string());
    host.qemu_version = Some(qemu.version.clone());
    host.firmware = Some(firmware.fact());
    Ok(Prepared {
        image: std::path::absolute(image).unwrap_or_else(|_| image.to_owned()),
        format,
        qemu,
        firmware,
        host,
        options,
    })
}

impl Prepared {
    /// The machine for an accelerator, in a private directory.
    pub fn launch(&self, accel: Accel, dir: &Path) -> Result<Launch, BootError> {
        let vars = private_copy(&self.firmware.vars, dir)?;
        Ok(launch::own(&Parts {
            qemu: &self.qemu.path,
            image: Some((&self.image, self.format)),
            firmware: &self.firmware,
            vars: &vars,
            accel,
            memory: self.options.memory,
            smp: self.options.smp,
            drive: self.options.drive,
            extra: &self.options.extra,
            dir,
            exact: self.options.exact,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_checked_before_qemu_is_started() {
        assert!(
            check_memory(64, 8000)
                .unwrap_err()
                .what
                .contains("too little")
        );
        assert!(
            check_memory(4096, 2000)
                .unwrap_err()
                .what
                .contains("2000 MiB available")
        );
        assert_eq!(
            check_memory(1024, 0),
            Ok(()),
            "unknown is no reason to refuse"
        );
    }
}
