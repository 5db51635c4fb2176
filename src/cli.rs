//! The command line: one file per subcommand.

use std::process::ExitCode;

/// Parses the arguments, runs the subcommand, and gives the exit code.
pub fn run() -> ExitCode {
    ExitCode::from(2)
}
