//! The kernel log, live from guest RAM, and with it the journal: nothing is asked of the guest.
//!
//! A poll without news reads two words, so that it can be done often: how precisely a record's host time is known depends on it. The memory stays
//! readable after QEMU's end where it is a memfd, and so a panic's last words are heard.

use super::guest_clock::GuestClock;
use super::journal::JournalWatch;
use crate::boot::channel::{Emitter, Stop};
use crate::boot::memory::GuestMemory;
use crate::boot::memory::printk::{Follower, NoLog, Poll, Status, log::explain};
use crate::boot::memory::process;
use crate::boot::timeline::{Event, Source};
use crate::boot::vm::Vm;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at the ring.
const POLL: Duration = Duration::from_millis(50);
/// Between two searches for a kernel; searching may take a tenth of a host CPU at most.
const SEARCH: Duration = Duration::from_millis(200);
/// Silence after which memory is dumped, where it can't be followed: less than what ends a boot.
const SILENT: f64 = 4.0;
/// Writing a dump takes about a second per GiB.
const DUMP_PATIENCE: Duration = Duration::from_secs(60);
/// Dumps per boot.
const DUMPS_CAP: usize = 5;
/// A log that has not moved for this long may belong to a kernel that is no more.
const REST: Duration = Duration::from_secs(5);

/// Watches until the run ends. To be run on a thread of its own.
pub fn observe(vm: &Vm, emitter: &Emitter, stop: &Stop) {
    match process::open(vm) {
        Ok((memory, _)) => Watch::new(Arc::new(memory)).run(emitter, stop),
        Err(error) => {
            let text = format!(
                "guest memory cannot be followed ({error}); it is dumped when the guest falls silent"
            );
            emitter.emit(Source::Doctor, Event::Note { text });
            when_silent(vm, emitter, stop);
        }
    }
}

/// Looks at dumps, one whenever the guest has fallen silent.
fn when_silent(vm: &Vm, emitter: &Emitter, stop: &Stop) {
    let mut watch: Option<Watch> = None;
    let mut dumped_at = 0.0;
    for _ in 0..DUMPS_CAP {
        loop {
            if stop.wait(SEARCH) {
                return;
            }
            let active = emitter.clock().now() - emitter.silent_for();
            if active > dumped_at && emitter.silent_for() >= SILENT {
                break;
            }
        }
        dumped_at = emitter.clock().now();
        let memory = match process::dump(vm, DUMP_PATIENCE) {
            Ok(memory) => memory,
            Err(error) => {
                let text = format!("guest memory cannot be dumped: {error}");
                return emitter.emit(Source::Doctor, Event::Note { text });
            }
        };
        let mut now = Watch::new(memory);
        if let Some(before) = &watch {
            now.told = before.told;
            now.journal.after(&before.journal);
        }
        now.look(emitter);
        now.last_look(emitter);
        watch = Some(now);
    }
}

/// The logs of one guest.
pub struct Watch {
    memory: Arc<dyn GuestMemory>,
    follower: Follower,
    journal: JournalWatch,
    clock: GuestClock,
    /// Clock of the run at the last look.
    looked: f64,
    /// Records below this sequence number have been told.
    told: u64,
    next_search: Instant,
}

impl Watch {
    /// Nothing seen yet.
    pub fn new(memory: Arc<dyn GuestMemory>) -> Watch {
        Watch {
            follower: Follower::new(Arc::clone(&memory)),
            memory,
            journal: JournalWatch::default(),
            clock: GuestClock::default(),
            looked: 0.0,
            told: 0,
            next_search: Instant::now(),
        }
    }

    /// Watches until the run ends.
    pub fn run(mut self, emitter: &Emitter, stop: &Stop) {
        while !stop.wait(POLL) {
            self.look(emitter);
        }
        self.last_look(emitter);
    }

    /// One look: what is new is told.
    pub fn look(&mut self, emitter: &Emitter) {
        if Instant::now() >= self.next_search {
            self.search(emitter);
        }
        let poll = self.follower.poll();
        self.take(poll, emitter);
        self.journal.poll(&self.clock, emitter);
    }

    fn search(&mut self, emitter: &Emitter) {
        let start = Instant::now();
        let status = self.follower.search();
        let cost = start.elapsed();
        let wait = match self.follower.log() {
            Some(_) => REST.max(cost * 100),
            None => SEARCH.max(cost * 10),
        };
        self.next_search = Instant::now() + wait;
        self.status(&status, emitter);
    }

    fn status(&mut self, status: &Status, emitter: &Emitter) {
        match status {
            Status::Same => return,
            Status::Found { .. } => {}
            Status::Rebooted { release } => {
                let text = format!("the guest started another kernel: {release}");
                emitter.emit(Source::KernelLog, Event::Note { text });
                self.clock.reset();
                self.told = 0;
            }
        }
        if let Some(log) = self.follower.log() {
            self.journal.kernel(log);
        }
    }

    fn take(&mut self, poll: Poll, emitter: &Emitter) {
        self.status(&poll.status, emitter);
        let now = emitter.clock().now();
        if let Some(newest) = poll.records.last() {
            self.clock.found(newest.seconds(), now);
            self.next_search = self.next_search.max(Instant::now() + REST);
        }
        for record in &poll.records {
            let t = self.clock.host(record.seconds(), self.looked, now);
            self.journal.kernel_record(record);
            if record.seq < self.told {
                continue;
            }
            self.told = record.seq + 1;
            emitter.emit_at(
                t,
                Source::KernelLog,
                Event::KernelLog {
                    guest: record.seconds(),
                    level: record.level,
                    text: record.text(),
                },
            );
        }
        let missed = poll.stats.recycled + poll.stats.torn;
        if missed > 0 {
            let text =
                format!("{missed} kernel log records were overwritten before they could be read");
            emitter.emit(Source::KernelLog, Event::Note { text });
        }
        self.looked = now;
    }

    /// The run is over: everything that is there, finished or not, or why there is nothing.
    fn last_look(&mut self, emitter: &Emitter) {
        if self.follower.log().is_none() {
            self.search(emitter);
        }
        let poll = self.follower.finish();
        self.take(poll, emitter);
        self.journal.last_poll(&self.clock, emitter);
        if self.follower.log().is_none() {
            let why = match self.follower.trouble() {
                Some(why) => why.clone(),
                None => explain(&*self.memory),
            };
            // No kernel is what a guest has that never got that far: other channels tell it better.
            if why != NoLog::NoKernel {
                let text = format!("the kernel log in guest RAM cannot be read: {why}");
                emitter.emit(Source::Doctor, Event::Note { text });
            }
        }
    }
}
