//! Following the kernel log of a running guest: each poll gives what is new.

use super::log::{Log, Stats, Tally, logs, open};
use super::ring::{Bounds, Found, behind, next_id};
use super::{NoLog, Record};
use crate::boot::memory::GuestMemory;
use crate::boot::memory::vmcoreinfo::{self, VmCoreInfo};
use std::sync::Arc;

/// Polls that an unfinished record may hold up those behind it. Its writer is normally done within microseconds.
const PATIENCE: u32 = 10;
/// Records given per poll at most; the rest comes with the next one.
const BATCH: usize = 4096;

/// What a poll found out about the kernel itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Nothing new.
    Same,
    /// A kernel's log was found.
    Found {
        /// `uname -r`.
        release: String,
    },
    /// Another kernel took its place: the guest rebooted (or kexec'ed).
    Rebooted {
        /// `uname -r`.
        release: String,
    },
}

/// What is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// About the kernel.
    pub status: Status,
    /// New records, by sequence number.
    pub records: Vec<Record>,
    /// What became of the others.
    pub stats: Stats,
}

/// Follows the log of one guest, over reboots.
pub struct Follower {
    memory: Arc<dyn GuestMemory>,
    now: Option<Following>,
    /// Kernels that are over: address and text of their notes.
    over: Vec<VmCoreInfo>,
    trouble: Option<NoLog>,
}

struct Following {
    log: Log,
    next: Option<u64>,
    tally: Tally,
    waited: u32,
}

impl From<Log> for Following {
    fn from(log: Log) -> Following {
        Following {
            log,
            next: None,
            tally: Tally::default(),
            waited: 0,
        }
    }
}

impl Follower {
    /// Nothing found yet.
    pub fn new(memory: Arc<dyn GuestMemory>) -> Follower {
        Follower {
            memory,
            now: None,
            over: Vec::new(),
            trouble: None,
        }
    }

    /// The kernel that is followed.
    pub fn log(&self) -> Option<&Log> {
        self.now.as_ref().map(|f| &f.log)
    }

    /// Why no kernel is followed, as far as notes tell; [`explain`](super::log::explain) tells the rest.
    pub fn trouble(&self) -> Option<&NoLog> {
        self.trouble.as_ref()
    }

    /// Looks through memory for a kernel other than the present one. Costs a pass over populated memory: not for every poll.
    pub fn search(&mut self) -> Status {
        let (logs, trouble) = logs(&self.memory);
        let present = self.now.as_ref().map(|f| f.log.info.clone());
        let Some(log) = logs
            .into_iter()
            .find(|log| !self.over.contains(&log.info) && Some(&log.info) != present.as_ref())
        else {
            if self.now.is_none() {
                self.trouble = trouble;
            }
            return Status::Same;
        };
        let release = log.info.release().to_owned();
        let before = self.now.replace(log.into());
        self.trouble = None;
        match before {
            Some(before) => {
                self.over.push(before.log.info);
                Status::Rebooted { release }
            }
            None if self.over.is_empty() => Status::Found { release },
            None => Status::Rebooted { release },
        }
    }

    /// What is new in the ring. Cheap: two words when nothing is.
    pub fn poll(&mut self) -> Poll {
        let mut poll = Poll {
            status: Status::Same,
            records: Vec::new(),
            stats: Stats::default(),
        };
        let Some(following) = &mut self.now else {
            return poll;
        };
        if !following.poll(&mut poll, false) {
            self.restart(&mut poll);
        }
        poll
    }

    /// The last look: unfinished records are given as they are.
    pub fn finish(&mut self) -> Poll {
        let mut poll = self.poll();
        if let Some(following) = &mut self.now {
            following.poll(&mut poll, true);
        }
        poll
    }

    /// The ring is not what it was: the kernel was overwritten, or started anew at the same place.
    fn restart(&mut self, poll: &mut Poll) {
        let Some(before) = self.now.take() else {
            return;
        };
        let info = before.log.info;
        match vmcoreinfo::read(&*self.memory, info.address) {
            Some(same) if same == info => match open(&self.memory, info.clone()) {
                Ok(log) => {
                    let release = info.release().to_owned();
                    poll.status = Status::Rebooted { release };
                    let mut following = Following::from(log);
                    following.poll(poll, false);
                    self.now = Some(following);
                }
                // The note has survived, its kernel has not.
                Err(_) => self.over.push(info),
            },
            _ => self.over.push(info),
        }
        self.over.truncate(64);
    }
}

impl Following {
    /// Collects what is new. False when the ring went back, or can't be read.
    fn poll(&mut self, poll: &mut Poll, last: bool) -> bool {
        let Some(bounds) = self.log.ring.bounds() else {
            return false;
        };
        if let Some(next) = self.next {
            if behind(bounds.tail, next) {
                self.next = Some(bounds.tail);
            } else if !behind(next_id(bounds.head), next) && next != next_id(bounds.head) {
                return false;
            }
        }
        self.collect(bounds, poll, last)
    }

    fn collect(&mut self, bounds: Bounds, poll: &mut Poll, last: bool) -> bool {
        let patient = !last && self.waited < PATIENCE;
        for id in bounds.ids(self.next).take(BATCH) {
            let found = self.log.ring.record(id);
            let unfinished = match &found {
                Found::Pending => true,
                Found::Record(record) => record.open,
                _ => false,
            };
            // Those behind it wait, as the kernel's own readers do; the newest may stay open for long.
            if unfinished && (patient || (id == bounds.head && !last)) {
                self.waited += u32::from(id != bounds.head);
                self.next = Some(id);
                return true;
            }
            if matches!(&found, Found::Record(r) if r.seq < self.tally.expected) {
                return false;
            }
            self.tally.count(&found, &mut poll.stats);
            if let Found::Record(record) = found {
                poll.records.push(record);
            }
            self.waited = 0;
            self.next = Some(next_id(id));
        }
        true
    }
}
