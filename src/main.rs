//! The `isar-doctor` executable: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    isar_doctor::cli::run()
}
