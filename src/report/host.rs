//! What this host can do, for people and as JSON.

use super::safe::safe;
use crate::boot::outcome::HostFacts;
use crate::boot::trouble::HostTrouble;
use owo_colors::OwoColorize;
use schemars::JsonSchema;
use serde::Serialize;
use std::io::{Result, Write};

/// A boot of a small Debian image takes about this many times as long as the firmware's first sign of life (TCG, measured).
const BOOT_FACTOR: f64 = 6.0;

/// Result of `isar-doctor host`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HostReport {
    /// `isar-doctor/host/1`.
    pub schema: String,
    /// An image can be booted here.
    pub can_boot: bool,
    /// What was found.
    pub host: HostFacts,
    /// Seconds to the firmware's first byte with KVM; none when KVM does not work.
    pub kvm_firmware_seconds: Option<f64>,
    /// Seconds to the firmware's first byte with emulation.
    pub tcg_firmware_seconds: Option<f64>,
    /// What is in the way.
    pub troubles: Vec<Trouble>,
}

/// One trouble.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Trouble {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl HostReport {
    /// A report.
    pub fn new(
        host: HostFacts,
        kvm: Option<f64>,
        tcg: Option<f64>,
        troubles: Vec<HostTrouble>,
    ) -> HostReport {
        HostReport {
            schema: "isar-doctor/host/1".to_owned(),
            can_boot: troubles.is_empty() && (kvm.is_some() || tcg.is_some()),
            host,
            kvm_firmware_seconds: kvm,
            tcg_firmware_seconds: tcg,
            troubles: troubles
                .into_iter()
                .map(|t| Trouble {
                    what: t.what,
                    remedy: t.remedy,
                })
                .collect(),
        }
    }
}

/// Prints a report to stdout.
pub fn print(report: &HostReport, json: bool) -> Result<()> {
    let mut out = anstream::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        return writeln!(out);
    }
    let host = &report.host;
    let mut row = |good: bool, name: &str, text: String| {
        let mark = if good {
            "✓".green().to_string()
        } else {
            "✗".red().to_string()
        };
        writeln!(out, "  {mark} {name:<9} {}", safe(&text))
    };
    let qemu = match (&host.qemu, &host.qemu_version) {
        (Some(path), Some(version)) => format!("{version} ({path})"),
        _ => "not found".to_owned(),
    };
    row(host.qemu.is_some(), "QEMU", qemu)?;
    let firmware = match &host.firmware {
        Some(f) => format!("{} ({})", f.code, f.found_by),
        None => "not found".to_owned(),
    };
    row(host.firmware.is_some(), "OVMF", firmware)?;
    let kvm = match (report.kvm_firmware_seconds, &host.kvm_trouble) {
        (Some(seconds), _) => format!("works: firmware alive after {seconds:.1} s"),
        (None, Some(trouble)) => trouble.clone(),
        (None, None) => "not tried".to_owned(),
    };
    row(report.kvm_firmware_seconds.is_some(), "KVM", kvm)?;
    let tcg = match report.tcg_firmware_seconds {
        Some(seconds) => format!(
            "works: firmware alive after {seconds:.1} s; a small Debian image takes about {:.0} s to its shell",
            seconds * BOOT_FACTOR
        ),
        None => "not tried".to_owned(),
    };
    row(report.tcg_firmware_seconds.is_some(), "emulation", tcg)?;
    row(host.cpus > 0, "CPUs", host.cpus.to_string())?;
    row(
        true,
        "memory",
        format!("{} MiB available", host.memory_available),
    )?;
    for trouble in &report.troubles {
        writeln!(out, "\n{} {}", "problem:".red().bold(), safe(&trouble.what))?;
        writeln!(out, "  try: {}", safe(&trouble.remedy))?;
    }
    Ok(())
}

/// The JSON Schema of [`HostReport`].
pub fn schema() -> serde_json::Result<String> {
    serde_json::to_string_pretty(&schemars::schema_for!(HostReport)).map(|t| t + "\n")
}
