//! `isar-doctor log`: the verdict from a saved log.

use super::boot::Format;
use super::boot::judge::{self, Judged};
use super::boot::pages::Pages;
use super::config::ConfigChoice;
use super::output::{Failure, complain, write_out};
use super::policy::{Asked, Policy};
use crate::boot::expect::Expectation;
use crate::boot::names::Names;
use crate::boot::outcome::{Ended, HostFacts, Outcome};
use crate::boot::saved_log::journal::{self, Binary};
use crate::boot::saved_log::{self, Form, Machine, SavedLog};
use crate::boot::setup;
use crate::boot::stages::machine::StageMachine;
use crate::report::safe::safe;
use clap::Args;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Logs of CI jobs have some MiB.
const LOG_CAP: u64 = 512 << 20;

/// Judges a saved log.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes what a serial port printed (`-serial file:…`, `dmesg`), the output of the NixOS test driver (`nix log`, a CI job's log, with its
`machine # …` prefixes, time stamps and colours), journalctl's short forms, a .journal file, and an image that keeps the journal of
the boots it went through. A log knows less than a traced boot does.

Examples:
  isar-doctor log console.log
  nix log .#checks.x86_64-linux.cluster | isar-doctor log - --machine server_1
  isar-doctor log job.log --image server.wic     with what the image says about itself
  isar-doctor log sdcard.img                     what the last boot left in /var/log/journal")]
pub struct LogArgs {
    /// Log; `-` for standard input
    file: PathBuf,
    /// The image that was booted: its findings explain what the log does not say
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Machine of a test-driver log; all when not given
    #[arg(long, value_name = "NAME")]
    machine: Option<String>,
    /// Profile: names of unit, script and device, and what success means [default: the configuration's, or nixos-test]
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// The configuration
    #[command(flatten)]
    config: ConfigChoice,
    /// Pages
    #[command(flatten)]
    pages: Pages,
    /// Also tell what became of this unit; may be repeated
    #[arg(long, value_name = "UNIT")]
    unit: Vec<String>,
    /// Print the whole timeline
    #[arg(long)]
    trace: bool,
    /// Wanted outcome, as for `boot`
    #[arg(long, value_name = "STAGE,POINT")]
    expect: Option<Expectation>,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Write the result to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub fn execute(args: &LogArgs) -> Result<ExitCode, Failure> {
    let asked = Asked {
        profile: args.profile.clone(),
        ..Asked::default()
    };
    let policy = Policy::new(&asked, args.config.load()?.as_ref())?;
    let log = open(&args.file)?;
    let file = args.file.display();
    let machines = choose(log.machines, args.machine.as_deref()).map_err(|names| {
        Failure::usage(format!(
            "{file} has no such machine; its machines are: {}",
            names.join(", ")
        ))
    })?;
    if machines.is_empty() {
        let what = match log.form {
            Form::Journal => "no journal entry",
            _ => "no line",
        };
        return Err(Failure::unjudged(format!("{file}: there is {what} in it")));
    }
    let image = args.image.as_deref();
    let inspected = image
        .map(|image| judge::inspect(image, &policy))
        .transpose()?;
    let mut names = match &inspected {
        Some(inspected) => inspected.names(),
        None => Names::from_profile(&super::inspect::profile(&policy.profile)?),
    };
    names.ask(
        &args.unit,
        inspected.as_ref().and_then(judge::Inspected::facts),
    );
    let judged: Vec<(Option<String>, Judged)> = machines
        .into_iter()
        .map(|machine| {
            let name = machine.name.clone();
            let outcome = outcome(machine, log.form, args, &names);
            let judged = match &inspected {
                Some(inspected) => inspected.judge(outcome),
                None => Judged::new(outcome, Vec::new()),
            };
            (name, judged)
        })
        .collect();
    print(&judged, args)?;
    let good = judged
        .iter()
        .all(|(_, j)| j.exit_code(args.expect.as_ref()) == ExitCode::SUCCESS);
    Ok(ExitCode::from(u8::from(!good)))
}

fn open(path: &Path) -> Result<SavedLog, Failure> {
    let file = (path != Path::new("-")).then(|| File::open(path).ok());
    match file.as_ref().and_then(|f| Binary::detect(f.as_ref()?)) {
        Some(Binary::Image) => journal::in_image(path)
            .map_err(|e| Failure::unjudged(format!("{}: {e}", path.display()))),
        Some(Binary::Journal) => {
            let log = file.flatten().and_then(|file| journal::file(&file));
            log.ok_or_else(|| {
                Failure::unjudged(format!("{}: the journal is damaged", path.display()))
            })
        }
        None => Ok(saved_log::parse(&read(path)?)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let trouble = |e: std::io::Error| Failure::usage(format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(trouble)?)
    };
    input
        .take(LOG_CAP)
        .read_to_end(&mut bytes)
        .map_err(trouble)?;
    Ok(bytes)
}

/// The machines to judge, or the names of those there are.
fn choose(machines: Vec<Machine>, wanted: Option<&str>) -> Result<Vec<Machine>, Vec<String>> {
    let Some(wanted) = wanted else {
        return Ok(machines);
    };
    let names = machines.iter().filter_map(|m| m.name.clone()).collect();
    let mut machines = machines;
    machines.retain(|m| m.name.as_deref() == Some(wanted));
    if machines.is_empty() {
        return Err(names);
    }
    Ok(machines)
}

fn outcome(machine: Machine, form: Form, args: &LogArgs, names: &Names) -> Outcome {
    let mut stages = StageMachine::new(names.clone());
    let mut timeline = Vec::with_capacity(machine.timeline.len() + 16);
    for seen in machine.timeline {
        let reached = stages.take(&seen);
        let t = seen.t;
        timeline.push(seen);
        timeline.extend(
            reached
                .into_iter()
                .filter_map(|stage| stages.reached_event(stage, t)),
        );
    }
    let knows = match form {
        Form::Console => "the console",
        Form::Driver => "the console, and what the test driver saw of the shell",
        Form::Syslog | Form::Journal => "the journal",
    };
    Outcome {
        image: args.image.as_ref().map(|i| i.display().to_string()),
        host: HostFacts {
            cpus: setup::host_facts().cpus,
            ..HostFacts::default()
        },
        command: Vec::new(),
        added_by_doctor: Vec::new(),
        blind: vec![format!(
            "a saved log has {knows}, and neither disk reads nor virtio status"
        )],
        names: names.clone(),
        timeline,
        stages: stages.into_stages(),
        ended: Ended::LogEnds,
        launch_findings: Vec::new(),
    }
}

/// For people every machine; a file, or the JSON contract, has room for one: the first that failed.
fn print(judged: &[(Option<String>, Judged)], args: &LogArgs) -> Result<(), Failure> {
    let failed = |(_, one): &&(Option<String>, Judged)| {
        one.exit_code(args.expect.as_ref()) != ExitCode::SUCCESS
    };
    let all = args.format == Format::Human && args.output.is_none();
    let one = judged.iter().find(failed).or(judged.first());
    if let Some((_, one)) = one {
        let wrong = |e: crate::boot::trouble::BootError| Failure::usage(e.to_string());
        args.pages.write(one).map_err(wrong)?;
    }
    for (name, one) in judged.iter().filter(|_| all).chain(one.filter(|_| !all)) {
        if let Some(name) = name
            && judged.len() > 1
        {
            if all {
                write_out(None, &format!("=== {} ===\n", safe(name)))?;
            } else {
                let count = judged.len();
                complain(&format!(
                    "{name} of {count} machines; another with --machine"
                ));
            }
        }
        one.print(args.format, args.trace, args.output.as_deref())
            .map_err(|e| Failure::usage(e.to_string()))?;
    }
    Ok(())
}
