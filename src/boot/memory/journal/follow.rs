//! The journal of a running guest: files found in the page cache, and followed while they grow.

use super::entry::Entry;
use super::file::{Bytes, Journal, MAGIC, Progress};
use crate::boot::memory::page_cache::{CachedFile, CachedPage, PageMap};
use crate::boot::memory::printk::Log;
use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};

/// Files followed at a time: volatile, persistent, per user.
const FILES_CAP: usize = 32;
/// Identities remembered; a boot has some thousand entries.
const SEEN_CAP: usize = 1 << 20;

/// Counts of a recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Stats {
    /// Journal files found.
    pub files: u64,
    /// Their pages in memory.
    pub pages: u64,
    /// Entries read.
    pub entries: u64,
    /// Entries of which a field could not be read.
    pub incomplete: u64,
    /// Entries that another file had, too.
    pub copies: u64,
}

/// What a look at guest memory gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Entries, by time.
    pub entries: Vec<Entry>,
    /// Counts.
    pub stats: Stats,
}

impl Bytes for CachedFile {
    fn size(&self) -> u64 {
        self.len()
    }
    fn fill(&self, offset: u64, buf: &mut [u8]) -> bool {
        self.read(offset, buf)
    }
}

/// Follows every journal file in the guest's page cache. Persistent ones may also hold entries of earlier boots.
pub struct JournalFollower {
    map: PageMap,
    files: Vec<Watched>,
    seen: HashSet<Identity>,
}

type Identity = ([u8; 16], u64, u64, u64);

/// One file.
struct Watched {
    first: CachedPage,
    journal: Journal<CachedFile>,
    /// What the header said when it was last read.
    progress: Option<Progress>,
}

impl JournalFollower {
    /// The journal of this kernel's guest. `None` when its page structures cannot be found.
    pub fn new(log: &Log) -> Option<JournalFollower> {
        Some(JournalFollower {
            map: PageMap::open(&log.space, &log.info)?,
            files: Vec::new(),
            seen: HashSet::new(),
        })
    }

    /// Whether a file is followed.
    pub fn found(&self) -> bool {
        !self.files.is_empty()
    }

    /// Looks for files not followed yet. A pass over all page structures: not for every poll.
    pub fn search(&mut self) {
        for first in self.map.find(MAGIC) {
            let known = self.files.iter().any(|f| f.first == first);
            if known || self.files.len() >= FILES_CAP {
                continue;
            }
            let file = CachedFile::new(&self.map, self.map.file(&first));
            if let Some(journal) = Journal::open(file) {
                self.files.push(Watched {
                    first,
                    journal,
                    progress: None,
                });
            }
        }
    }

    /// New entries. Cheap when nothing is new: a header per file.
    pub fn poll(&mut self) -> Recovered {
        let mut recovered = Recovered::default();
        let map = &self.map;
        self.files.retain_mut(|file| {
            // A file that was deleted (`/run/log/journal` after a flush) has lost its pages.
            if !map.still(&file.first) {
                return false;
            }
            let progress = file.journal.progress();
            if progress.is_some() && progress != file.progress {
                recovered.stats.files += 1;
                file.read(map, progress, &mut recovered);
            }
            progress.is_some()
        });
        let seen = &mut self.seen;
        let before = recovered.entries.len();
        recovered.entries.retain(|e| {
            let room = seen.len() < SEEN_CAP;
            e.lost == 0 && room && seen.insert(e.identity())
        });
        recovered.stats.copies = (before - recovered.entries.len()) as u64;
        recovered.finish()
    }
}

impl Watched {
    fn read(&mut self, map: &PageMap, progress: Option<Progress>, into: &mut Recovered) {
        let file = CachedFile::new(map, map.file(&self.first));
        into.stats.pages += file.pages() as u64;
        self.journal.replace(file);
        let newest = |entries: &[Entry]| entries.iter().map(|e| e.seqnum).max();
        // The newest object known is where the new ones follow.
        let mut entries = match self.progress {
            Some(before) => self.journal.entries_from(before.tail_object),
            None => Vec::new(),
        };
        if self.progress.is_none() || newest(&entries) < progress.map(|p| p.tail_seqnum) {
            entries = self.journal.entries();
        }
        // What is still being written shows up as an entry with lost fields, or not at all: then the next poll looks again.
        let complete = entries.iter().all(|e| e.lost == 0);
        self.progress = progress.filter(|_| complete);
        into.entries.extend(entries);
    }
}

impl Recovered {
    fn finish(mut self) -> Recovered {
        self.entries.sort_by_key(|e| (e.realtime, e.seqnum));
        self.stats.entries = self.entries.len() as u64;
        self
    }
}

/// Everything in memory that stands still: all files, and incomplete entries, too. `None` when the page structures cannot be found.
pub fn recover(log: &Log) -> Option<Recovered> {
    let mut follower = JournalFollower::new(log)?;
    follower.search();
    let pages = follower.files.iter().map(|f| f.journal.bytes().pages());
    let pages = pages.sum::<usize>() as u64;
    let files = follower.files.iter_mut().map(|f| f.journal.entries());
    let mut recovered = merge(files.collect());
    recovered.stats.pages = pages;
    Some(recovered)
}

/// The entries of several files, each once: of copies the most complete.
pub fn merge(files: Vec<Vec<Entry>>) -> Recovered {
    let mut recovered = Recovered::default();
    recovered.stats.files = files.len() as u64;
    let mut places = HashMap::new();
    for entry in files.into_iter().flatten() {
        match places.entry(entry.identity()) {
            MapEntry::Vacant(place) => {
                place.insert(recovered.entries.len());
                recovered.entries.push(entry);
            }
            MapEntry::Occupied(place) => {
                recovered.stats.copies += 1;
                let known = &mut recovered.entries[*place.get()];
                if entry.lost < known.lost {
                    *known = entry;
                }
            }
        }
    }
    recovered.stats.incomplete = recovered.entries.iter().filter(|e| e.lost > 0).count() as u64;
    recovered.finish()
}
