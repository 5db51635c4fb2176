//! What a memory dump says: the kernel log as dmesg(1) prints it, the journal as `journalctl -o short-monotonic` does, or both as JSON.

use super::safe::safe;
use super::style::Look;
use crate::boot::memory::journal::{self, Entry, Recovered};
use crate::boot::memory::printk::{self, Record};
use owo_colors::Style;
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt::Write;

/// Version of the contract.
pub const SCHEMA: &str = "isar-doctor/dmesg/1";

/// What was found in one dump.
#[derive(Debug)]
pub struct Dump {
    /// Path as given.
    pub file: String,
    /// How the file was understood (`ELF core`, `raw, q35`).
    pub form: String,
    /// `uname -r`.
    pub release: String,
    /// Kernel log.
    pub records: Vec<Record>,
    /// Its counts.
    pub stats: printk::Stats,
    /// The journal, when it was asked for and could be found.
    pub journal: Option<Recovered>,
    /// What the reader should know (another kernel in the dump, no journal).
    pub notes: Vec<String>,
}

/// Which records are shown.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// Least urgent level.
    pub level: u8,
}

/// For people.
pub fn human(dump: &Dump, filter: Filter, look: Look) -> String {
    let mut out = String::new();
    for record in dump.records.iter().filter(|r| r.level <= filter.level) {
        let prefix = time(record.nanoseconds / 1000);
        lines(&mut out, &prefix, "", &record.text(), record.level, look);
    }
    if let Some(journal) = &dump.journal {
        let _ = writeln!(out, "\n{}", look.bold("-- journal --"));
        for entry in &journal.entries {
            journal_line(&mut out, entry, filter, look);
        }
    }
    out
}

/// Microseconds as dmesg shows them.
fn time(micros: u64) -> String {
    format!("[{:>5}.{:06}] ", micros / 1_000_000, micros % 1_000_000)
}

/// A line of several parts: what follows the first is indented as dmesg does.
fn lines(out: &mut String, time: &str, who: &str, text: &str, level: u8, look: Look) {
    let style = match level {
        0..=3 => Style::new().red(),
        4 => Style::new().bold(),
        _ => Style::new(),
    };
    for (n, line) in text.trim_end_matches('\n').split('\n').enumerate() {
        // Tabs stay, as in dmesg.
        let line = line.split('\t').map(safe).collect::<Vec<_>>().join("\t");
        let line = look.paint(&line, style);
        let _ = if n == 0 {
            writeln!(out, "{}{}{line}", look.dim(time), look.bold(who))
        } else {
            writeln!(out, "{:width$}{line}", "", width = time.len() + who.len())
        };
    }
}

fn journal_line(out: &mut String, entry: &Entry, filter: Filter, look: Look) {
    let level = priority(entry).unwrap_or(6);
    let Some(text) = entry.text("MESSAGE").filter(|_| level <= filter.level) else {
        return;
    };
    let time = time(entry.monotonic);
    let name = identifier(entry).unwrap_or_else(|| "unknown".to_owned());
    let who = match entry.text("_PID").or_else(|| entry.text("SYSLOG_PID")) {
        Some(pid) => format!("{}[{}]: ", safe(&name), safe(&pid)),
        None => format!("{}: ", safe(&name)),
    };
    lines(out, &time, &who, &text, level, look);
}

fn priority(entry: &Entry) -> Option<u8> {
    entry.text("PRIORITY")?.parse().ok()
}

fn identifier(entry: &Entry) -> Option<String> {
    entry
        .text("SYSLOG_IDENTIFIER")
        .or_else(|| entry.text("_COMM"))
}

/// One line about the whole.
pub fn summary(dump: &Dump) -> String {
    let s = &dump.stats;
    let mut text = format!(
        "kernel {}, {} records ({})",
        dump.release, s.records, dump.form
    );
    for (count, what) in [
        (s.recycled, "overwritten"),
        (s.torn, "torn"),
        (s.lost, "dropped by the kernel"),
        (s.unfinished, "never finished"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    if let Some(journal) = &dump.journal {
        let _ = write!(
            text,
            "; journal: {} entries from {} files",
            journal.stats.entries, journal.stats.files
        );
        if journal.stats.incomplete > 0 {
            let _ = write!(text, ", {} incomplete", journal.stats.incomplete);
        }
    }
    text
}

/// By the contract (docs/schema/dmesg.schema.json).
pub fn json(dump: &Dump, filter: Filter) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Report::new(dump, filter)).map(|text| text + "\n")
}

/// The published schema.
pub fn schema() -> Result<String, serde_json::Error> {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<Report>();
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

/// Result of `isar-doctor dmesg`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "isar-doctor dmesg")]
struct Report {
    /// `isar-doctor/dmesg/1`.
    schema: String,
    /// The dump.
    file: String,
    /// How the file was understood.
    form: String,
    /// `uname -r`.
    release: String,
    /// Counts of the kernel log.
    stats: printk::Stats,
    /// Kernel log.
    records: Vec<RecordJson>,
    /// Journal, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<JournalJson>,
    /// What the reader should know.
    notes: Vec<String>,
}

impl Report {
    fn new(dump: &Dump, filter: Filter) -> Report {
        let records = dump.records.iter().filter(|r| r.level <= filter.level);
        Report {
            schema: SCHEMA.to_owned(),
            file: dump.file.clone(),
            form: dump.form.clone(),
            release: dump.release.clone(),
            stats: dump.stats,
            records: records.map(RecordJson::from).collect(),
            journal: dump.journal.as_ref().map(|journal| JournalJson {
                stats: journal.stats,
                entries: journal
                    .entries
                    .iter()
                    .filter(|e| priority(e).unwrap_or(6) <= filter.level)
                    .map(EntryJson::from)
                    .collect(),
            }),
            notes: dump.notes.clone(),
        }
    }
}

/// A record of the kernel log. Raw guest text.
#[derive(Debug, Serialize, JsonSchema)]
struct RecordJson {
    /// Sequence number since boot.
    seq: u64,
    /// Guest time in seconds.
    guest: f64,
    /// Syslog level 0–7.
    level: u8,
    /// Syslog facility.
    facility: u8,
    /// `T123` a task, `C1` a CPU.
    caller: String,
    /// Continues the line before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    continues: bool,
    /// Not finalised by the kernel.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    open: bool,
    /// `SUBSYSTEM=` of `dev_printk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    subsystem: Option<String>,
    /// `DEVICE=` of `dev_printk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// Text.
    text: String,
}

impl From<&Record> for RecordJson {
    fn from(record: &Record) -> RecordJson {
        let some =
            |bytes: &[u8]| (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned());
        RecordJson {
            seq: record.seq,
            guest: record.seconds(),
            level: record.level,
            facility: record.facility,
            caller: record.caller(),
            continues: record.continues(),
            open: record.open,
            subsystem: some(&record.subsystem),
            device: some(&record.device),
            text: record.text(),
        }
    }
}

/// The journal.
#[derive(Debug, Serialize, JsonSchema)]
struct JournalJson {
    /// Counts.
    stats: journal::Stats,
    /// Entries, by time.
    entries: Vec<EntryJson>,
}

/// A journal entry. Raw guest text.
#[derive(Debug, Serialize, JsonSchema)]
struct EntryJson {
    /// Guest's monotonic time in seconds, when journald received it.
    guest: f64,
    /// `PRIORITY=`.
    priority: Option<u8>,
    /// `UNIT=` or `_SYSTEMD_UNIT=`.
    unit: Option<String>,
    /// `SYSLOG_IDENTIFIER=` or `_COMM=`.
    identifier: Option<String>,
    /// `MESSAGE=`.
    text: Option<String>,
    /// A field could not be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
}

impl From<&Entry> for EntryJson {
    fn from(entry: &Entry) -> EntryJson {
        EntryJson {
            guest: entry.monotonic as f64 / 1e6,
            priority: priority(entry),
            unit: entry.text("UNIT").or_else(|| entry.text("_SYSTEMD_UNIT")),
            identifier: identifier(entry),
            text: entry.text("MESSAGE"),
            incomplete: entry.lost > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump() -> Dump {
        let record = |seq: u64, level: u8, text: &[u8]| Record {
            seq,
            nanoseconds: seq * 1_500_000_000,
            level,
            facility: 0,
            flags: 0,
            caller: 1,
            text: text.to_vec(),
            subsystem: Vec::new(),
            device: b"+pci:0".to_vec(),
            open: false,
        };
        Dump {
            file: "ram".into(),
            form: "raw, flat".into(),
            release: "6.1.0".into(),
            records: vec![
                record(0, 5, b"Linux version 6.1.0"),
                record(1, 6, b"two\nlines \x1b[31m"),
                record(2, 7, b"debug"),
            ],
            stats: printk::Stats {
                records: 3,
                torn: 1,
                ..printk::Stats::default()
            },
            journal: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn lines_are_dmesgs_and_harmless() {
        let text = human(&dump(), Filter { level: 6 }, Look::plain());
        insta::assert_snapshot!(text, @r"
        [    0.000000] Linux version 6.1.0
        [    1.500000] two
                       lines \e[31m
        ");
        assert_eq!(
            summary(&dump()),
            "kernel 6.1.0, 3 records (raw, flat), 1 torn"
        );
    }

    #[test]
    fn json_keeps_the_raw_text() {
        let text = json(&dump(), Filter { level: 7 }).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["records"][1]["text"], "two\nlines \x1b[31m");
        assert_eq!(value["records"][1]["device"], "+pci:0");
        assert_eq!(value["stats"]["torn"], 1);
        let schema: serde_json::Value = serde_json::from_str(&schema().unwrap()).unwrap();
        assert!(jsonschema::is_valid(&schema, &value));
    }
}
