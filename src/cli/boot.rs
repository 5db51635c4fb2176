//! `isar-doctor boot`: boots an image, watches it, and says where it stopped.

mod defaults;
pub mod judge;
pub mod pages;
mod prove;
mod repeat;
mod stress;
mod target;

use crate::boot::accel::Choice;
use crate::boot::ending::Limits;
use crate::boot::engine::{self, Plan, Watcher};
use crate::boot::expect::Expectation;
use crate::boot::outcome::Outcome;
use crate::boot::setup;
use crate::boot::trouble::BootError;
use crate::boot::{file_map, record, signals};
use crate::cli::policy::Policy;
use crate::report::boot_progress::{self, Style};
use clap::{Args, ValueEnum};
pub use defaults::configured;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use target::Target;

/// Arguments of `boot`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Exit codes: 0 the shell was reached and the guest is healthy (or --expect was met); 1 it was not; 2 wrong usage; \
4 this host could not boot the image (the message says why and what to do).

The image is never written: it is booted with snapshot=on, and everything else lives in a private directory that is \
removed at the end, also on Ctrl-C.")]
pub struct BootArgs {
    /// Disk image to boot; the only *.wic file of this directory when not given
    pub image: Option<PathBuf>,
    /// Print every observation as it happens, and the whole timeline in the report
    #[arg(long)]
    pub trace: bool,
    /// Boot what this start script of the NixOS test driver (run-NAME-vm) would start, and lint its QEMU arguments
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub run_script: Option<PathBuf>,
    /// Run with the test driver's arguments and nothing else; the report says what could then not be seen
    #[arg(long)]
    pub exact: bool,
    /// QEMU to use
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
    /// OVMF code image
    #[arg(long, value_name = "FILE", conflicts_with = "run_script")]
    pub ovmf_code: Option<PathBuf>,
    /// OVMF variable store; a copy of it is used
    #[arg(long, value_name = "FILE", conflicts_with = "run_script")]
    pub ovmf_vars: Option<PathBuf>,
    /// Use firmware that enforces Secure Boot, with Microsoft's keys enrolled
    #[arg(long, conflicts_with = "run_script")]
    pub secure_boot: bool,
    /// Accelerator: `auto` tries KVM and falls back to emulation when it fails
    #[arg(long, value_enum, default_value = "auto")]
    pub accel: Choice,
    /// Guest memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = setup::DEFAULT_MEMORY, conflicts_with = "run_script")]
    pub memory: u64,
    /// Number of vCPUs
    #[arg(long, value_name = "N", default_value_t = setup::DEFAULT_SMP, conflicts_with = "run_script",
          value_parser = clap::value_parser!(u32).range(1..=256))]
    pub smp: u32,
    /// Longest time for the whole boot
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    pub timeout: Duration,
    /// Quiet of the guest that ends a boot in which nothing is known to be pending
    #[arg(long, value_name = "SECONDS", default_value = "8", value_parser = seconds)]
    pub quiet_after: Duration,
    /// Longest time to watch a guest whose shell has answered, until systemd has no start job left
    #[arg(long, value_name = "SECONDS", default_value = "100", value_parser = seconds)]
    pub settle: Duration,
    /// Wanted outcome, e.g. stage=unit,critical-point=condition-path-exists: exit 0 when it comes, else 1
    #[arg(long, value_name = "STAGE,POINT")]
    pub expect: Option<Expectation>,
    /// Keep everything observed in this directory, for `isar-doctor replay`
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// After a failure, boot again with one thing changed (a word of the command line, a QEMU argument) until the cause is proven or
    /// disproved; the image stays as it is
    #[arg(long, conflicts_with = "exact")]
    pub prove: bool,
    /// Boot the image this many times and compare: outcomes, stages, and how close the device's race was
    #[arg(long, value_name = "N", conflicts_with_all = ["prove", "record", "expect"],
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: Option<u32>,
    /// Make races likelier to be lost: one vCPU, a busy host thread beside each boot, a slow disk
    #[arg(long, conflicts_with = "exact")]
    pub stress: bool,
    /// Also tell what became of this unit; may be repeated
    #[arg(long, value_name = "UNIT")]
    pub unit: Vec<String>,
    /// Names and goal to judge by: nixos-test, login, production, or a YAML file [default: the configuration's, or nixos-test]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The configuration
    #[command(flatten)]
    pub config: super::config::ConfigChoice,
    /// Output format
    #[arg(long, short, value_enum, default_value = "human")]
    pub format: Format,
    /// Write the result to a file
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Pages
    #[command(flatten)]
    pub pages: pages::Pages,
    /// Show no progress
    #[arg(long, short)]
    pub quiet: bool,
    /// More arguments for QEMU, after `--`
    #[arg(last = true, value_name = "QEMU ARGUMENTS")]
    pub extra: Vec<OsString>,
}

/// Output formats of a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// By the contract (docs/schema/boot.schema.json).
    Json,
}

/// Seconds from the command line, within reason.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if (0.0..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must be between 0 and 86400".to_owned())
    }
}

/// Runs the command.
pub fn run(args: &BootArgs, policy: &Policy) -> ExitCode {
    boot(args, policy).unwrap_or_else(|error| {
        let image = args.image.as_deref().or(args.run_script.as_deref());
        if args.format == Format::Json {
            judge::report_trouble(&error, image, args.output.as_deref());
        }
        judge::complain(&error)
    })
}

fn boot(args: &BootArgs, policy: &Policy) -> Result<ExitCode, BootError> {
    let interrupts = signals::interrupts().ok();
    let target = Target::prepare(args)?;
    let image = target.image().to_owned();
    let inspected = judge::inspect(&image, policy)
        .map_err(|failure| BootError::Usage(failure.to_string()))?
        .asked(&args.unit);
    if let Some(count) = args.repeat {
        drop(target);
        return repeat::repeat(args, count, &inspected, interrupts);
    }
    let style = match (args.quiet, args.trace) {
        (true, _) => Style::Quiet,
        (false, true) => Style::Trace,
        (false, false) => Style::Stages,
    };
    let mut display = boot_progress::display(style);
    let outcome = observe(args, target, &inspected, display.as_mut(), interrupts)?;
    drop(display);
    let mut judged = inspected.judge(outcome);
    if let Some(dir) = &args.record {
        record::write(dir, &judged.outcome, &judged.predicted)
            .map_err(|error| BootError::Usage(error.to_string()))?;
    }
    if args.prove && prove::worthwhile(&judged) {
        prove::prove(args, &image, &inspected, &mut judged);
    }
    args.pages.write(&judged)?;
    judged.print(args.format, args.trace, args.output.as_deref())?;
    Ok(judged.exit_code(args.expect.as_ref()))
}

/// One boot, watched to its end.
fn observe(
    args: &BootArgs,
    target: Target,
    inspected: &judge::Inspected,
    display: &mut dyn Watcher,
    interrupts: Option<Receiver<i32>>,
) -> Result<Outcome, BootError> {
    let _busy = args.stress.then(stress::Busy::start);
    let image = target.image().to_owned();
    let launch_findings = target.lint(inspected.consoles());
    let plan = Plan {
        executable: None,
        image: image.clone(),
        launch: &|accel, dir| target.launch(accel, dir),
        accel: target.accel(),
        names: inspected.names(),
        limits: Limits {
            timeout: args.timeout,
            quiet_after: args.quiet_after,
            settle: args.settle,
        },
        file_map: Box::new(move || file_map::build(&image)),
        host: target.host(),
        launch_findings,
        conclude: &judge::conclude,
        script: args.run_script.is_some(),
        interrupts,
    };
    engine::run(plan, display)
}
