//! Where results and complaints go: results to stdout or a file, complaints to stderr.

use crate::report::format::Format;
use crate::report::safe::safe;
use clap::ValueEnum;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A user-facing failure with its exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Wrong usage or configuration: 2.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure {
            code: 2,
            message: message.into(),
        }
    }
    /// The image could not be judged: 3.
    pub fn unjudged(message: impl Into<String>) -> Failure {
        Failure {
            code: 3,
            message: message.into(),
        }
    }
    /// A defect of the doctor.
    pub fn internal(error: impl std::fmt::Display) -> Failure {
        Failure {
            code: 70,
            message: format!("internal error: {error}"),
        }
    }
    /// Says it on stderr and gives the exit code.
    pub fn report(&self) -> ExitCode {
        for line in self.message.lines() {
            complain(line);
        }
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// One line on stderr. A closed stderr is no reason to fail.
pub fn complain(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "isar-doctor: {}", safe(message));
}

/// `FORMAT=FILE`.
#[derive(Debug, Clone)]
pub struct Output {
    /// Format.
    pub format: Format,
    /// File.
    pub file: PathBuf,
}

/// Parses `FORMAT=FILE`.
pub fn parse_output(text: &str) -> Result<Output, String> {
    let (format, file) = text
        .split_once('=')
        .ok_or("write it as FORMAT=FILE, e.g. sarif=out.sarif")?;
    Ok(Output {
        format: Format::from_str(format, true)?,
        file: PathBuf::from(file),
    })
}

/// Writes a report. A reader that went away (`| head`) is no failure.
pub fn write_out(file: Option<&Path>, text: &str) -> Result<(), Failure> {
    let Some(path) = file else {
        return match std::io::stdout().lock().write_all(text.as_bytes()) {
            Err(e) if e.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::usage(format!("cannot write the report: {e}")))
            }
            _ => Ok(()),
        };
    };
    std::fs::write(path, text)
        .map_err(|e| Failure::usage(format!("cannot write {}: {e}", path.display())))
}
