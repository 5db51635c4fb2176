//! The logs of the kernels in guest memory: found, decoded, or explained away.

use super::ring::{Found, Ring};
use super::{NoLog, Record};
use crate::boot::memory::GuestMemory;
use crate::boot::memory::space::Space;
use crate::boot::memory::vmcoreinfo::{self, VmCoreInfo};
use regex::bytes::Regex;
use std::sync::{Arc, LazyLock};

/// Kernels looked at; more than one is there only after a reboot or kexec.
const LOGS_CAP: usize = 4;
/// Read at a time while looking for a banner.
const CHUNK: usize = 1 << 20;

/// A kernel whose log can be read.
#[derive(Clone)]
pub struct Log {
    /// What the kernel says about itself.
    pub info: VmCoreInfo,
    /// Its address space.
    pub space: Space,
    /// Its ring buffer.
    pub ring: Ring,
}

/// Records that were met and could not be given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Stats {
    /// Records read.
    pub records: u64,
    /// Overwritten before they could be read.
    pub recycled: u64,
    /// Contradicted themselves.
    pub torn: u64,
    /// Text dropped by the kernel itself.
    pub lost: u64,
    /// Never finished by their writers.
    pub unfinished: u64,
}

/// Counts what was met. Gaps in the sequence numbers tell what was overwritten.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) expected: u64,
    excused: u64,
}

impl Tally {
    pub(super) fn count(&mut self, found: &Found, stats: &mut Stats) {
        match found {
            Found::Record(record) => {
                let missing = record.seq.saturating_sub(self.expected);
                stats.recycled = stats
                    .recycled
                    .saturating_add(missing.saturating_sub(self.excused));
                stats.records += 1;
                self.expected = record.seq.saturating_add(1);
                self.excused = 0;
                return;
            }
            Found::Pending => stats.unfinished += 1,
            Found::Lost => stats.lost += 1,
            Found::Torn => stats.torn += 1,
            Found::Recycled | Found::Free => return,
        }
        self.excused += 1;
    }
}

/// All kernels in memory whose log can be read, the best first, and why the others' can't.
pub fn logs(memory: &Arc<dyn GuestMemory>) -> (Vec<Log>, Option<NoLog>) {
    let mut found = Vec::new();
    let mut trouble = None;
    for info in vmcoreinfo::find(&**memory) {
        match open(memory, info) {
            Ok(log) => found.push(log),
            Err(why) => trouble = Some(why),
        }
    }
    // A kernel of an earlier boot may be half overwritten: most records first.
    found.truncate(LOGS_CAP);
    if found.len() > 1 {
        found.sort_by_cached_key(|log| std::cmp::Reverse(read_all(&log.ring).0.len()));
    }
    (found, trouble)
}

/// The log of the kernel that wrote this note.
pub fn open(memory: &Arc<dyn GuestMemory>, info: VmCoreInfo) -> Result<Log, NoLog> {
    let Some(space) = Space::new(Arc::clone(memory), &info) else {
        let missing =
            "its page tables (SYMBOL(swapper_pg_dir), NUMBER(phys_base) or NUMBER(kimage_voffset))";
        return Err(NoLog::incomplete(&info, missing));
    };
    let ring = Ring::open(&space, &info)?;
    if ring.bounds().is_none() {
        return Err(NoLog::damaged(&info, "the printk ring buffer is damaged"));
    }
    Ok(Log { info, space, ring })
}

/// Why there is no log: tells a kernel without the note from no kernel at all by the banner (`linux_banner`, init/version.c).
pub fn explain(memory: &dyn GuestMemory) -> NoLog {
    static BANNER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?-u)Linux version [0-9]+\.[0-9]+[!-~]{0,80} \(").ok());
    let mut chunk = vec![0; CHUNK];
    for range in memory.populated() {
        let mut at = range.start;
        while at < range.end {
            let len = (range.end - at).min(CHUNK as u64);
            let part = &mut chunk[..len as usize];
            if memory.read_at(at, part).is_ok()
                && let Some(found) = BANNER.as_ref().and_then(|b| b.find(part))
            {
                let version = String::from_utf8_lossy(found.as_bytes());
                let version = version.trim_end_matches(" (").to_owned();
                return NoLog::NoVmcoreinfo { version };
            }
            at += len;
        }
    }
    NoLog::NoKernel
}

/// Everything in the ring, by sequence number: for memory that stands still.
pub fn read_all(ring: &Ring) -> (Vec<Record>, Stats) {
    let mut stats = Stats::default();
    let mut tally = Tally::default();
    let mut records = Vec::new();
    if let Some(bounds) = ring.bounds() {
        for id in bounds.ids(None) {
            let found = ring.record(id);
            tally.count(&found, &mut stats);
            if let Found::Record(record) = found {
                records.push(record);
            }
        }
    }
    records.sort_by_key(|r| r.seq);
    (records, stats)
}
