//! `isar-doctor diff`: what changed between a working and a failing image.

use super::config::ConfigChoice;
use super::inspect::{all_rules, profile, unread};
use super::output::{Failure, complain, write_out};
use crate::checks::run::{Selection, run_selected};
use crate::diff::{Pair, compare};
use crate::inspect::{Options, inspect};
use crate::report::diff_human::{self, Heads};
use crate::report::style::{ColourChoice, Look};
use crate::report::{Judged, diff_json, diff_markdown, summary};
use crate::rules::Rule;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compares two images along the boot chain and names the change that most likely broke the second one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isar-doctor diff worked.wic fails.wic               what changed, and which change is the cause
  isar-doctor diff --bad-fails worked.wic fails.wic   it fails, though no rule says so: name candidates
  isar-doctor diff --all a.wic b.wic                  every package and file, UUIDs and sizes too

A cause is tried: the bad image is judged again with one part of the good one (loader, command line, kernel, initrd,
units, …); the part that makes the finding go away decides. Nothing is booted.

Exit codes: 0 no difference that matters; 1 there is one; 2 wrong usage; 3 an image could not be read, or not wholly.")]
pub struct DiffArgs {
    /// Image that works
    good: PathBuf,
    /// Image that does not
    bad: PathBuf,
    /// Format of the report
    #[arg(long, short, value_enum, default_value_t = DiffFormat::Human)]
    format: DiffFormat,
    /// Write the report to a file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show what every build changes (UUIDs, sizes), and lists in full
    #[arg(long)]
    all: bool,
    /// BAD is known to fail: name candidates even when no rule finds an error in it
    #[arg(long)]
    bad_fails: bool,
    /// Names and goal to judge by: nixos-test, login, production, or a YAML file [default: the configuration's, or nixos-test]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Take further rules from this directory; may be repeated
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigChoice,
    /// When to use colours
    #[arg(long, value_enum, default_value_t = ColourChoice::Auto, value_name = "WHEN")]
    color: ColourChoice,
}

/// Formats of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DiffFormat {
    /// For people.
    Human,
    /// For programs.
    Json,
    /// For a merge request.
    Markdown,
}

/// Runs the subcommand.
pub fn execute(args: &DiffArgs) -> Result<ExitCode, Failure> {
    let (rules, options) = setup(args)?;
    let (good, bad) = rayon::join(
        || judged(&args.good, &options, &rules),
        || judged(&args.bad, &options, &rules),
    );
    let (good, bad) = (good?, bad?);
    let pair = Pair {
        good: &good.facts,
        good_findings: &good.judgement.findings,
        bad: &bad.facts,
        bad_findings: &bad.judgement.findings,
    };
    let comparison = compare(&pair, &rules, args.bad_fails);
    let (a, b) = (
        summary::line(&good, Look::plain()),
        summary::line(&bad, Look::plain()),
    );
    let paths = (
        args.good.display().to_string(),
        args.bad.display().to_string(),
    );
    let heads = Heads {
        good: &paths.0,
        good_summary: &a,
        bad: &paths.1,
        bad_summary: &b,
    };
    let look = Look::detect(args.color, args.output.is_some());
    let text = match args.format {
        DiffFormat::Human => diff_human::render(&comparison, &heads, look, args.all),
        DiffFormat::Markdown => diff_markdown::render(&comparison, &heads, args.all),
        DiffFormat::Json => {
            diff_json::render(&comparison, &heads, pair.good_findings, pair.bad_findings)
                .map_err(Failure::internal)?
        }
    };
    write_out(args.output.as_deref(), &text)?;
    let mut whole = true;
    for (path, side) in [(&args.good, &good), (&args.bad, &bad)] {
        if let Some(error) = unread(&side.facts) {
            whole = false;
            complain(&format!(
                "{}: {error}; the image could not be compared wholly",
                path.display()
            ));
        }
    }
    Ok(match whole {
        true => ExitCode::from(u8::from(comparison.matters())),
        false => ExitCode::from(3),
    })
}

fn setup(args: &DiffArgs) -> Result<(Vec<Rule>, Options), Failure> {
    let loaded = args.config.load()?;
    let configured = loaded.as_ref().map(|l| l.rule_dirs()).unwrap_or_default();
    let directories = [configured, args.rules.clone()].concat();
    let name = args.profile.clone();
    let name = name.or_else(|| loaded.as_ref()?.profile());
    let options = Options {
        profile: profile(name.as_deref().unwrap_or("nixos-test"))?,
        read_initrd: true,
    };
    Ok((all_rules(&directories)?, options))
}

fn judged(path: &Path, options: &Options, rules: &[Rule]) -> Result<Judged, Failure> {
    let facts = inspect(path, options)
        .map_err(|e| Failure::unjudged(format!("{}: {e}", path.display())))?;
    let judgement = run_selected(&facts, rules, &Selection::default());
    Ok(Judged { facts, judgement })
}
