//! `isar-doctor config`, and how the other subcommands get their configuration.

use super::output::{Failure, write_out};
use crate::config::{self, Loaded, Mistake};
use crate::report::safe::safe;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Which configuration is taken.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigChoice {
    /// Configuration to use instead of the nearest .isar-doctor.yaml of this directory or one above it
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    config: Option<PathBuf>,
    /// Use no configuration
    #[arg(long)]
    no_config: bool,
}

impl ConfigChoice {
    /// Reads the configuration, if there is one; its mistakes are wrong usage.
    pub fn load(&self) -> Result<Option<Loaded>, Failure> {
        if self.no_config {
            return Ok(None);
        }
        let Some(file) = self.config.clone().or_else(nearest_file) else {
            return Ok(None);
        };
        match config::load(&file) {
            Ok(loaded) => Ok(Some(loaded)),
            Err(mistakes) => Err(Failure::usage(list(&mistakes))),
        }
    }
}

fn nearest_file() -> Option<PathBuf> {
    config::find(&std::env::current_dir().ok()?)
}

fn list(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Checks the configuration, or prints its schema.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isar-doctor config check                 is the .isar-doctor.yaml of this directory right?
  isar-doctor config check ci/doctor.yaml  is this one?
  isar-doctor config schema                the JSON Schema, for editors

Exit codes: 0 right; 2 mistakes, or no file.")]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say OK, or every mistake with line and column
    Check {
        /// File; the nearest .isar-doctor.yaml of this directory or one above it when not given
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema
    Schema,
}

/// Runs the subcommand.
pub fn execute(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        ConfigCommand::Schema => {
            write_out(None, &config::schema().map_err(Failure::internal)?)?;
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Check { file } => {
            let file = file.clone().or_else(nearest_file).ok_or_else(|| {
                Failure::usage(format!(
                    "there is no {} in this directory or above it",
                    config::FILE_NAME
                ))
            })?;
            check(&file)
        }
    }
}

/// The mistakes are the result, so they go to stdout: editors read `file:line:column: message`.
fn check(file: &Path) -> Result<ExitCode, Failure> {
    match config::load(file) {
        Ok(_) => {
            write_out(
                None,
                &format!("OK: {}\n", safe(&file.display().to_string())),
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Err(mistakes) => {
            let text = list(&mistakes);
            let lines: Vec<_> = text.lines().map(safe).collect();
            write_out(None, &format!("{}\n", lines.join("\n")))?;
            Ok(ExitCode::from(2))
        }
    }
}
