//! The command line: one file per subcommand.

pub mod boot;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "isar-doctor", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot an image and say where it stopped
    Boot(Box<boot::BootArgs>),
}

/// Parses the arguments, runs the subcommand, and gives the exit code.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Boot(args) => boot::run(&args),
    }
}
