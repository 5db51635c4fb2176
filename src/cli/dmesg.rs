//! `isar-doctor dmesg`: the kernel log (and the journal) in a memory dump.

use super::boot::Format;
use super::output::{Failure, complain, write_out};
use crate::boot::memory::journal;
use crate::boot::memory::open::{self, Form};
use crate::boot::memory::printk::log;
use crate::report::dmesg::{self, Dump, Filter};
use crate::report::style::{ColourChoice, Look};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Prints the kernel log in a dump of guest memory.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes raw memory (QMP `pmemsave` from 0, a copy of QEMU's memfd) and ELF cores (QMP `dump-guest-memory`, `virsh dump --memory-only`),
of x86-64 and arm64 guests with Linux 5.10 or newer.

Examples:
  isar-doctor dmesg guest.core                  as dmesg would print it
  isar-doctor dmesg --journal --level err ram   what went wrong, kernel and services
  isar-doctor dmesg --format json ram | jq '.records[].text'")]
pub struct DmesgArgs {
    /// Memory dump
    file: PathBuf,
    /// Also print the journal, from the guest's page cache
    #[arg(long)]
    journal: bool,
    /// Show this level and what is more urgent
    #[arg(long, value_enum, default_value = "debug")]
    level: Level,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// When to colour
    #[arg(long, value_enum, default_value = "auto")]
    color: ColourChoice,
    /// Write the result to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Levels by the names of syslog(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[repr(u8)]
enum Level {
    Emerg,
    Alert,
    Crit,
    Err,
    Warning,
    Notice,
    Info,
    Debug,
}

/// Runs the command.
pub fn execute(args: &DmesgArgs) -> Result<ExitCode, Failure> {
    let dump = read(&args.file, args.journal)?;
    let filter = Filter {
        level: args.level as u8,
    };
    let text = match args.format {
        Format::Human => {
            let look = Look::detect(args.color, args.output.is_some());
            dmesg::human(&dump, filter, look)
        }
        Format::Json => dmesg::json(&dump, filter).map_err(Failure::internal)?,
    };
    write_out(args.output.as_deref(), &text)?;
    if args.format == Format::Human {
        for note in &dump.notes {
            complain(note);
        }
        complain(&dmesg::summary(&dump));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path, with_journal: bool) -> Result<Dump, Failure> {
    let unjudged = |why: String| Failure::unjudged(format!("{}: {why}", file.display()));
    let (memory, form) = open::open(file).map_err(|e| unjudged(e.to_string()))?;
    let (logs, trouble) = log::logs(&memory);
    let mut logs = logs.into_iter();
    let Some(kernel) = logs.next() else {
        let why = trouble.unwrap_or_else(|| log::explain(&*memory));
        return Err(unjudged(why.to_string()));
    };
    let mut notes: Vec<String> = logs
        .map(|other| {
            let release = other.info.release();
            format!("the dump also holds what is left of another kernel, {release}")
        })
        .collect();
    let journal = with_journal.then(|| journal::recover(&kernel)).flatten();
    if with_journal && journal.is_none() {
        notes.push("this kernel's page cache cannot be read: no journal".into());
    }
    let (records, stats) = log::read_all(&kernel.ring);
    Ok(Dump {
        file: file.display().to_string(),
        form: match form {
            Form::Elf => "ELF core".to_owned(),
            Form::Raw(layout) => format!("raw memory, layout {}", layout.name()),
        },
        release: kernel.info.release().to_owned(),
        records,
        stats,
        journal,
        notes,
    })
}
