//! `isar-doctor boot`: boots an image, watches it, and says where it stopped.

use crate::boot::accel::Choice;
use crate::boot::ending::{Conclusion, Limits};
use crate::boot::engine::{self, Watcher};
use crate::boot::names::Names;
use crate::boot::setup::{self, MachineOptions};
use crate::boot::stages::Stages;
use crate::boot::timeline::Observation;
use crate::boot::trouble::BootError;
use crate::profile::Profile;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `boot`.
#[derive(Debug, Args)]
pub struct BootArgs {
    /// Disk image to boot (never written)
    pub image: Option<PathBuf>,
    /// Print every observation as it happens
    #[arg(long)]
    pub trace: bool,
    /// QEMU to use
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
    /// OVMF code image
    #[arg(long, value_name = "FILE")]
    pub ovmf_code: Option<PathBuf>,
    /// OVMF variable store to copy
    #[arg(long, value_name = "FILE")]
    pub ovmf_vars: Option<PathBuf>,
    /// Use firmware that enforces Secure Boot with enrolled keys
    #[arg(long)]
    pub secure_boot: bool,
    /// Accelerator
    #[arg(long, value_enum, default_value = "auto")]
    pub accel: Choice,
    /// Guest memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = setup::DEFAULT_MEMORY)]
    pub memory: u64,
    /// Number of vCPUs
    #[arg(long, value_name = "N", default_value_t = setup::DEFAULT_SMP)]
    pub smp: u32,
    /// Longest time for the whole boot, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600.0)]
    pub timeout: f64,
    /// Quiet of the guest that ends a boot, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 8.0)]
    pub quiet_after: f64,
    /// Longest time to watch a guest whose shell has answered, until its last start job is done
    #[arg(long, value_name = "SECONDS", default_value_t = 100.0)]
    pub settle: f64,
    /// More arguments for QEMU, after `--`
    #[arg(last = true)]
    pub extra: Vec<OsString>,
}

struct Printer;

impl Watcher for Printer {
    fn observed(&mut self, seen: &Observation, _stages: &Stages) {
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "{:8.3} {:?} {:?}",
            seen.t,
            seen.source,
            seen.event
        );
    }
    fn restarted(&mut self, reason: &str) {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "restarted: {reason}");
    }
}

/// Runs the command.
pub fn run(args: &BootArgs) -> ExitCode {
    match boot(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(4)
        }
    }
}

fn boot(args: &BootArgs) -> Result<(), BootError> {
    let image = args
        .image
        .clone()
        .ok_or_else(|| BootError::Usage("no image".into()))?;
    let options = MachineOptions {
        qemu: args.qemu.clone(),
        ovmf_code: args.ovmf_code.clone(),
        ovmf_vars: args.ovmf_vars.clone(),
        secure_boot: args.secure_boot,
        accel: args.accel,
        memory: args.memory,
        smp: args.smp,
        extra: args.extra.clone(),
    };
    let prepared = setup::prepare(&image, options)?;
    let launch = |accel, dir: &std::path::Path| prepared.launch(accel, dir);
    let limits = Limits {
        timeout: Duration::from_secs_f64(args.timeout),
        quiet_after: Duration::from_secs_f64(args.quiet_after),
        settle: Duration::from_secs_f64(args.settle),
    };
    let conclude = |timeline: &[Observation], stages: &Stages, names: &Names| {
        let found = crate::diagnose::conclusive(
            timeline,
            stages,
            names,
            names.unit_description.as_deref(),
        )?;
        Some(Conclusion {
            until: found.t + found.linger,
            evidence: found.evidence,
        })
    };
    let plan = prepared.plan(
        &launch,
        Names::from_profile(&Profile::default()),
        limits,
        Box::new({
            let image = prepared.image.clone();
            move || crate::boot::file_map::build(&image)
        }),
        &conclude,
    );
    let outcome = engine::run(plan, &mut Printer)?;
    use std::io::Write;
    let _ = writeln!(
        std::io::stderr(),
        "{:#?}\n{:?}\n{:?}",
        outcome.stages,
        outcome.ended,
        outcome.blind
    );
    Ok(())
}
