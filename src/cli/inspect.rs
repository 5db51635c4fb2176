//! `isar-doctor inspect`: lint images offline.

mod baseline;
pub(super) mod images;

use super::config::ConfigChoice;
use super::output::{Failure, Output, write_out};
use super::policy::{Asked, Policy};
use crate::checks::run::run_silenced;
use crate::config::{FailOn, Loaded};
use crate::inspect::error::Error;
use crate::inspect::facts::Facts;
use crate::inspect::{Options, inspect};
use crate::profile::Profile;
use crate::report::format::{Format, render};
use crate::report::style::{ColourChoice, Look};
use crate::report::{Inspection, Judged};
use crate::rules::{Rule, builtin, load, nearest};
use clap::Args;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Reads disk images and judges them against the critical points of the boot chain.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isar-doctor inspect image.wic                          the chain, the table, the findings
  isar-doctor inspect --format json image.wic            the same for programs
  isar-doctor inspect --output-format sarif=out.sarif image.wic
                                                         for people on stdout, and SARIF in a file
  isar-doctor inspect build/ 'deploy/*.wic'              many images, one table
  isar-doctor inspect --write-baseline known.json image.wic
  isar-doctor inspect --baseline known.json image.wic    accept what is there now; only what is new counts
  isar-doctor inspect --profile production image.wic     a backdoor is an error there

Exit codes: 0 no findings at or above --fail-on; 1 findings; 2 wrong usage; 3 an image could not be judged.")]
pub struct InspectArgs {
    /// Image files, directories with *.wic, *.img or *.raw files, or glob patterns; the configuration's `images` when not given
    #[arg(value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Format of the report on stdout (or in --output)
    #[arg(long, short, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Write the report to a file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write another format to a file as well; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = super::output::parse_output)]
    output_format: Vec<Output>,
    /// Write a self-contained HTML page as well; the same as `--output-format html=FILE`
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Lowest severity that makes the exit code 1 [default: error]
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<FailOn>,
    /// Compare with this baseline: only findings that are not in it count for the exit code
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write all findings of now into this baseline; the exit code then tells only whether the images could be judged
    #[arg(long, value_name = "FILE")]
    write_baseline: Option<PathBuf>,
    /// Also report deviations from the test driver's contract that do no harm by themselves
    #[arg(long)]
    pedantic: bool,
    /// Names and goal to judge by: nixos-test, login, production, or a YAML file [default: nixos-test]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    config: ConfigChoice,
    /// Take further rules from this directory; may be repeated
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// Run only these rules; may be repeated
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    select: Vec<String>,
    /// Leave these rules out; may be repeated
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Do not unpack the initrd (most of the time); what depends on it cannot be told then
    #[arg(long)]
    no_initrd: bool,
    /// Findings and summary only, without the chain and the table
    #[arg(long, short)]
    quiet: bool,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = ColourChoice::Auto, value_name = "WHEN")]
    color: ColourChoice,
}

/// Runs the subcommand.
pub fn execute(args: &InspectArgs) -> Result<ExitCode, Failure> {
    let loaded = args.config.load()?;
    let policy = Policy::new(&asked(args), loaded.as_ref())?;
    let images = images::images(&meant(args, loaded.as_ref())?)?;
    let options = Options {
        profile: profile(&policy.profile)?,
        read_initrd: !args.no_initrd,
    };
    let mut inspections: Vec<Inspection> = images
        .par_iter()
        .map(|path| one(path, &options, &policy))
        .collect();
    policy.audit(&mut inspections);
    if let Some(file) = &args.baseline {
        baseline::compare(file, &policy, &mut inspections)?;
    }
    let page = args.html.clone().map(|file| Output {
        format: Format::Html,
        file,
    });
    for output in args.output_format.iter().chain(&page) {
        let text = render(output.format, &inspections, Look::plain(), args.quiet)
            .map_err(Failure::internal)?;
        write_out(Some(&output.file), &text)?;
    }
    let look = Look::detect(args.color, args.output.is_some());
    let text = render(args.format, &inspections, look, args.quiet).map_err(Failure::internal)?;
    write_out(args.output.as_deref(), &text)?;
    report_errors(
        &inspections,
        args.format == Format::Human && args.output.is_none(),
    );
    let mut fail_on = policy.fail_on;
    if let Some(file) = &args.write_baseline {
        baseline::write(file, &inspections)?;
        fail_on = FailOn::Never;
    }
    Ok(exit_code(&inspections, fail_on))
}

fn asked(args: &InspectArgs) -> Asked {
    Asked {
        profile: args.profile.clone(),
        rules: args.rules.clone(),
        select: args.select.clone(),
        ignore: args.ignore.clone(),
        pedantic: args.pedantic,
        fail_on: args.fail_on,
    }
}

/// The images of the command line, else those of the configuration.
fn meant(args: &InspectArgs, loaded: Option<&Loaded>) -> Result<Vec<PathBuf>, Failure> {
    match (&args.images[..], loaded) {
        ([], Some(loaded)) if !loaded.config.images.is_empty() => Ok(loaded.images()),
        ([], _) => Err(Failure::usage(
            "no image given; name one, or put `images:` into .isar-doctor.yaml",
        )),
        (given, _) => Ok(given.to_vec()),
    }
}

/// An image that cannot be judged, or not wholly, is also told on stderr.
fn report_errors(inspections: &[Inspection], human: bool) {
    for inspection in inspections {
        let error = match &inspection.outcome {
            // The report for people has said it.
            Err(_) if human => None,
            Err(error) => Some(error),
            Ok(judged) => unread(&judged.facts),
        };
        if let Some(error) = error {
            super::output::complain(&format!(
                "{}: {error}; the image could not be judged wholly",
                inspection.path
            ));
        }
    }
}

/// The first part of the chain that is there and cannot be read: what hangs on it was not judged, so the image is
/// neither healthy nor merely full of findings.
pub(super) fn unread(facts: &Facts) -> Option<&Error> {
    let damaged = facts.rootfs.known().and_then(|r| r.damage.as_ref());
    facts
        .disk
        .error()
        .or(facts.esp.error())
        .or(facts.loader.error())
        .or(facts.kernel.error())
        .or(facts.initrd.error())
        .or(facts.root.error())
        .or(facts.rootfs.error())
        .or(damaged)
        .or(facts.systemd.error())
}

fn one(path: &Path, options: &Options, policy: &Policy) -> Inspection {
    let silencer = policy.silencer(path);
    let outcome = inspect(path, options).map(|facts| {
        let judgement = run_silenced(&facts, &policy.rules, &policy.selection, &silencer);
        Box::new(Judged { facts, judgement })
    });
    Inspection {
        path: path.display().to_string(),
        outcome,
    }
}

fn exit_code(inspections: &[Inspection], fail_on: FailOn) -> ExitCode {
    let unjudged = |i: &Inspection| match &i.outcome {
        Ok(judged) => unread(&judged.facts).is_some(),
        Err(_) => true,
    };
    if inspections.iter().any(unjudged) {
        return ExitCode::from(3);
    }
    let found = inspections
        .iter()
        .filter_map(|i| i.outcome.as_ref().ok())
        .flat_map(|j| &j.judgement.findings)
        .any(|f| !f.known() && fail_on.reached(f.severity));
    ExitCode::from(u8::from(found))
}

/// A profile by name or file.
pub fn profile(name: &str) -> Result<Profile, Failure> {
    if let Some(profile) = builtin::profile(name) {
        return Ok(profile);
    }
    if name.ends_with(".yaml") || name.ends_with(".yml") {
        let text = std::fs::read_to_string(name)
            .map_err(|e| Failure::usage(format!("cannot read the profile {name}: {e}")))?;
        return serde_yaml::from_str(&text).map_err(|e| Failure::usage(format!("{name}: {e}")));
    }
    let names = builtin::profile_names();
    let hint = nearest(name, &names)
        .map(|n| format!("; did you mean `{n}`?"))
        .unwrap_or_default();
    Err(Failure::usage(format!(
        "there is no profile `{name}`{hint} (known: {}; or give a .yaml file)",
        names.join(", ")
    )))
}

/// The built-in rules and those of the directories; a rule of the same id replaces the built-in one.
pub fn all_rules(directories: &[PathBuf]) -> Result<Vec<Rule>, Failure> {
    let mut rules = builtin::rules();
    for dir in directories {
        let own = load::directory(dir).map_err(|errors| {
            Failure::usage(
                errors
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        })?;
        for rule in own {
            rules.retain(|r| r.id != rule.id);
            rules.push(rule);
        }
    }
    Ok(rules)
}
