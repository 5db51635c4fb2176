//! Journals as journald wrote them: a `.journal` file, or those in an image that was booted and kept what was said.

use super::{Form, Machine, SavedLog};
use crate::boot::memory::journal::file::MAGIC;
use crate::boot::memory::journal::follow::merge;
use crate::boot::memory::journal::{Bytes, Entry, Journal, image};
use crate::boot::observe::journal::{event, source_monotonic, written};
use crate::boot::timeline::{Event, Observation, Source};
use crate::inspect::{disk, error, filesystem, partitions};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The first bytes of a file that tell what it is.
const HEAD: usize = 520;

/// A binary log, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// A journal file.
    Journal,
    /// A disk image.
    Image,
}

impl Binary {
    /// What kind of file this is; none for text.
    pub fn detect(file: &File) -> Option<Binary> {
        let mut head = [0; HEAD];
        let read = file.read_at(&mut head, 0).ok()?;
        let head = &head[..read];
        let is = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|h| h.starts_with(magic));
        if is(0, MAGIC) {
            Some(Binary::Journal)
        } else if is(510, &[0x55, 0xaa]) || is(512, b"EFI PART") || is(0, b"QFI\xfb") {
            Some(Binary::Image)
        } else {
            None
        }
    }
}

impl Bytes for &File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |m| m.len())
    }
    fn fill(&self, offset: u64, buf: &mut [u8]) -> bool {
        self.read_exact_at(buf, offset).is_ok()
    }
}

/// The last boot in a journal file.
pub fn file(file: &File) -> Option<SavedLog> {
    let mut journal = Journal::open(file)?;
    Some(last_boot(journal.entries()))
}

/// The last boot that an image's own journal knows. Empty when it keeps none.
pub fn in_image(path: &Path) -> error::Result<SavedLog> {
    let disk = disk::open(path)?;
    let mut all = Vec::new();
    for partition in &partitions::read(&disk)?.partitions {
        if let Ok(files) = filesystem::open(&disk, partition) {
            all.push(image::read(&*files)?.entries);
        }
    }
    Ok(last_boot(merge(all).entries))
}

/// The entries of the boot that was heard last.
fn last_boot(mut entries: Vec<Entry>) -> SavedLog {
    entries.sort_by_key(|e| (e.realtime, e.seqnum));
    let boot = entries.last().map(|e| e.boot_id);
    let mut timeline: Vec<Observation> = entries
        .iter()
        .filter(|e| Some(e.boot_id) == boot)
        .filter_map(observation)
        .collect();
    timeline.sort_by(|a, b| a.t.total_cmp(&b.t));
    let machines = if timeline.is_empty() {
        Vec::new()
    } else {
        vec![Machine {
            name: None,
            timeline,
        }]
    };
    SavedLog {
        form: Form::Journal,
        machines,
    }
}

/// What journald copied from the kernel log is told as that log tells it.
fn observation(entry: &Entry) -> Option<Observation> {
    let told = event(entry)?;
    let from_kernel = entry.field("_TRANSPORT") == Some(b"kernel");
    let kernel_time = source_monotonic(entry).filter(|_| from_kernel);
    let (source, event) = match (kernel_time, told) {
        (
            Some(micros),
            Event::Journal {
                identifier,
                priority,
                text,
                ..
            },
        ) => {
            let pid = entry.text("SYSLOG_PID");
            let text = match identifier.as_deref() {
                None | Some("kernel") => text,
                Some(who) => match pid {
                    Some(pid) => format!("{who}[{pid}]: {text}"),
                    None => format!("{who}: {text}"),
                },
            };
            let event = Event::KernelLog {
                guest: micros as f64 / 1e6,
                level: priority.unwrap_or(6),
                text,
            };
            (Source::KernelLog, event)
        }
        (_, other) => (Source::Journal, other),
    };
    Some(Observation {
        t: written(entry),
        source,
        event,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::memory::journal::fake::Writer;
    use std::io::Write;

    #[test]
    fn a_journal_file_is_a_log() {
        let mut writer = Writer::new(true);
        writer.entry(&[
            "_TRANSPORT=kernel",
            "_SOURCE_MONOTONIC_TIMESTAMP=2500000",
            "SYSLOG_IDENTIFIER=systemd",
            "SYSLOG_PID=1",
            "PRIORITY=5",
            "MESSAGE=Hostname set to <x>.",
        ]);
        writer.entry(&[
            "_TRANSPORT=journal",
            "SYSLOG_IDENTIFIER=systemd",
            "UNIT=a.service",
            "MESSAGE=Started a.",
        ]);
        let mut path = tempfile::NamedTempFile::new().unwrap();
        path.write_all(&writer.finish()).unwrap();
        let opened = File::open(path.path()).unwrap();
        assert_eq!(Binary::detect(&opened), Some(Binary::Journal));
        let log = file(&opened).unwrap();
        let timeline = &log.machines[0].timeline;
        assert!(timeline.iter().any(|o| o.t == 2.5
            && matches!(&o.event, Event::KernelLog { level: 5, text, .. } if text == "systemd[1]: Hostname set to <x>.")));
        assert!(
            timeline.iter().any(
                |o| matches!(&o.event, Event::Journal { unit: Some(u), .. } if u == "a.service")
            )
        );
    }

    #[test]
    fn text_is_neither() {
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(Binary::detect(&file), None);
        file.write_all(b"BdsDxe: loading").unwrap();
        assert_eq!(Binary::detect(&file), None);
    }
}
