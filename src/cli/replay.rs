//! `isar-doctor replay`: judges a recorded boot again.

use super::boot::Format;
use super::boot::judge::{self, Judged};
use super::boot::pages::Pages;
use crate::boot::expect::Expectation;
use crate::boot::record;
use crate::boot::trouble::BootError;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Directory made by `isar-doctor boot --record`
    pub dir: PathBuf,
    /// Print the whole timeline
    #[arg(long)]
    pub trace: bool,
    /// Wanted outcome, as for `boot`
    #[arg(long, value_name = "STAGE,POINT")]
    pub expect: Option<Expectation>,
    /// Pages
    #[command(flatten)]
    pub pages: Pages,
    /// Also tell what became of this unit; may be repeated
    #[arg(long, value_name = "UNIT")]
    pub unit: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
    /// Write the result to a file
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &ReplayArgs) -> ExitCode {
    match replay(args) {
        Ok(code) => code,
        Err(error) => judge::complain(&error),
    }
}

fn replay(args: &ReplayArgs) -> Result<ExitCode, BootError> {
    let (mut outcome, predicted) =
        record::read(&args.dir).map_err(|error| BootError::Usage(error.to_string()))?;
    outcome.names.ask(&args.unit, None);
    let judged = Judged::new(outcome, predicted);
    args.pages.write(&judged)?;
    judged.print(args.format, args.trace, args.output.as_deref())?;
    Ok(judged.exit_code(args.expect.as_ref()))
}
