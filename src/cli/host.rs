//! `isar-doctor host`: can this host boot images, and how fast.

use crate::boot::accel::{Accel, kvm_device};
use crate::boot::firmware::{self, Firmware};
use crate::boot::outcome::HostFacts;
use crate::boot::probe;
use crate::boot::qemu::{self, Qemu};
use crate::boot::setup;
use crate::boot::trouble::HostTrouble;
use crate::report::host::{self, HostReport};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `host`.
#[derive(Debug, Args)]
pub struct HostArgs {
    /// QEMU to use
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
    /// OVMF code image
    #[arg(long, value_name = "FILE")]
    pub ovmf_code: Option<PathBuf>,
    /// OVMF variable store
    #[arg(long, value_name = "FILE")]
    pub ovmf_vars: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    pub format: super::boot::Format,
}

/// Runs the command: 0 when this host can boot an image, 4 when not.
pub fn run(args: &HostArgs) -> ExitCode {
    let report = examine(args);
    let json = args.format == super::boot::Format::Json;
    let _ = host::print(&report, json);
    ExitCode::from(if report.can_boot { 0 } else { 4 })
}

fn examine(args: &HostArgs) -> HostReport {
    let mut facts = setup::host_facts();
    let mut troubles = Vec::new();
    let found = find(args, &mut facts);
    let (mut kvm, mut tcg) = (None, None);
    match found {
        Err(trouble) => troubles.push(trouble),
        Ok((qemu, firmware)) => {
            match kvm_device(Path::new("/dev/kvm")) {
                Err(reason) => facts.kvm_trouble = Some(reason),
                Ok(()) => match probe::run(&qemu, &firmware, Accel::Kvm, None) {
                    Ok(speed) => kvm = Some(speed.firmware),
                    Err(trouble) => facts.kvm_trouble = Some(trouble.what),
                },
            }
            match probe::run(&qemu, &firmware, Accel::Tcg, None) {
                Ok(speed) => tcg = Some(speed.firmware),
                Err(trouble) => troubles.push(trouble),
            }
        }
    }
    if let Err(trouble) = setup::check_memory(setup::DEFAULT_MEMORY, facts.memory_available) {
        troubles.push(trouble);
    }
    facts.accel = kvm.map(|_| "kvm").or(tcg.map(|_| "tcg")).map(str::to_owned);
    HostReport::new(facts, kvm, tcg, troubles)
}

fn find(args: &HostArgs, facts: &mut HostFacts) -> Result<(Qemu, Firmware), HostTrouble> {
    let path = std::env::var_os("PATH");
    let qemu = qemu::find(args.qemu.as_deref(), path.as_deref())?;
    facts.qemu = Some(qemu.path.display().to_string());
    facts.qemu_version = Some(qemu.version.clone());
    let firmware = firmware::find(
        args.ovmf_code.as_deref(),
        args.ovmf_vars.as_deref(),
        Some(&qemu.path),
        false,
    )?;
    facts.firmware = Some(firmware.fact());
    Ok((qemu, firmware))
}
