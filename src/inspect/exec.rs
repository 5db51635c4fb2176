//! Can the kernel execute this file? ELF and script interpreters, modes, libraries.

use super::error::Fact;
use super::source::{Location, SourceFile};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// What `execve(2)` makes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Format {
    /// An ELF file.
    Elf {
        /// Machine (`x86_64`, `aarch64`, …).
        machine: String,
        /// Program interpreter (the dynamic loader), when dynamic.
        interpreter: Option<String>,
        /// `DT_NEEDED` libraries.
        needed: Vec<String>,
        /// Needed libraries that none of the standard directories, ld.so.conf or `DT_RUNPATH` holds.
        missing_libraries: Vec<String>,
    },
    /// A `#!` script.
    Script {
        /// Interpreter path exactly as the kernel takes it (a carriage return stays in it).
        interpreter: String,
        /// Optional single argument.
        argument: Option<String>,
    },
    /// Neither: `execve` says `ENOEXEC`.
    Unknown,
    /// An empty file.
    Empty,
}

/// A file that something wants to execute, links resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Executable {
    /// Where it lies after links are resolved.
    pub location: Location,
    /// Permission bits.
    pub mode: u16,
    /// Size in bytes.
    pub size: u64,
    /// What it is.
    pub format: Format,
    /// The script's or ELF's interpreter, one level down.
    pub interpreter: Option<Box<Fact<Executable>>>,
    /// Text of a script (at most 256 KiB), for the checks that read it.
    #[serde(skip)]
    pub text: Option<Arc<SourceFile>>,
}
