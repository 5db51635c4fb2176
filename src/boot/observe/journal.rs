//! The journal, live from the guest's page cache. Once journald runs, PID 1 speaks only there.

use super::guest_clock::GuestClock;
use crate::boot::channel::Emitter;
use crate::boot::memory::journal::{Entry, JournalFollower};
use crate::boot::memory::printk::{Log, Record};
use crate::boot::timeline::{Event, Source};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Between two looks at the files' headers.
const POLL: Duration = Duration::from_millis(250);
/// Between two searches for files; searching may take a twentieth of a host CPU at most.
const SEARCH: Duration = Duration::from_millis(500);
/// The same, once there is a file.
const SEARCH_MORE: Duration = Duration::from_secs(3);
/// A guest cannot be up for longer than its QEMU, but for the estimate's error.
const SLACK: f64 = 2.0;

/// Follows the journal of one guest.
#[derive(Default)]
pub struct JournalWatch {
    follower: Option<JournalFollower>,
    /// Kernel log records by microsecond: journald copies them.
    records: HashMap<u64, Vec<Vec<u8>>>,
    /// The present boot, and when it was last heard (real time).
    boot: Option<([u8; 16], u64)>,
    /// Entries up to this real time were told by another watch.
    skip_until: u64,
    next_poll: Option<Instant>,
    next_search: Option<Instant>,
}

impl JournalWatch {
    /// A kernel was found, or another one.
    pub fn kernel(&mut self, log: &Log) {
        *self = JournalWatch {
            follower: JournalFollower::new(log),
            skip_until: self.skip_until,
            ..JournalWatch::default()
        };
    }

    /// Goes on where another watch of the same guest has ended.
    pub fn after(&mut self, other: &JournalWatch) {
        let heard = other.boot.map_or(0, |(_, heard)| heard);
        self.skip_until = heard.max(other.skip_until);
    }

    /// A record of the kernel log has been told.
    pub fn kernel_record(&mut self, record: &Record) {
        let known = self.records.entry(record.nanoseconds / 1000).or_default();
        known.push(record.text.clone());
    }

    /// A look, when one is due.
    pub fn poll(&mut self, clock: &GuestClock, emitter: &Emitter) {
        if self.next_poll.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let Some(follower) = &mut self.follower else {
            return;
        };
        if self.next_search.is_none_or(|next| Instant::now() >= next) {
            let start = Instant::now();
            follower.search();
            let pause = if follower.found() {
                SEARCH_MORE
            } else {
                SEARCH
            };
            self.next_search = Some(Instant::now() + pause.max(start.elapsed() * 20));
        }
        self.look(clock, emitter);
        self.next_poll = Some(Instant::now() + POLL);
    }

    /// The run is over.
    pub fn last_poll(&mut self, clock: &GuestClock, emitter: &Emitter) {
        if let Some(follower) = &mut self.follower {
            follower.search();
            self.look(clock, emitter);
        }
    }

    fn look(&mut self, clock: &GuestClock, emitter: &Emitter) {
        let Some(follower) = &mut self.follower else {
            return;
        };
        let entries = follower.poll().entries;
        let now = emitter.clock().now();
        if let Some(newest) = entries.iter().max_by_key(|e| e.realtime)
            && self.boot.is_none_or(|(_, heard)| heard < newest.realtime)
        {
            self.boot = Some((newest.boot_id, newest.realtime));
        }
        let uptime = clock.guest(now).unwrap_or(now) + SLACK;
        for entry in &entries {
            // A persistent journal also holds earlier boots.
            let present = self.boot.is_some_and(|(boot, _)| boot == entry.boot_id)
                && entry.monotonic as f64 / 1e6 <= uptime;
            let new = entry.realtime > self.skip_until;
            if present && new && !self.is_kernel_record(entry) {
                self.tell(entry, clock, now, emitter);
            }
        }
    }

    /// A copy of a record that the kernel log has given already.
    fn is_kernel_record(&self, entry: &Entry) -> bool {
        if entry.field("_TRANSPORT") != Some(b"kernel") {
            return false;
        }
        let known = source_monotonic(entry).and_then(|at| self.records.get(&at));
        let message = entry.field("MESSAGE").unwrap_or_default().trim_ascii();
        // journald takes `systemd[1]: ` off.
        known.is_some_and(|texts| {
            texts
                .iter()
                .any(|text| text.trim_ascii_end().ends_with(message))
        })
    }

    fn tell(&self, entry: &Entry, clock: &GuestClock, now: f64, emitter: &Emitter) {
        if let Some(event) = event(entry) {
            let t = clock.host(written(entry), 0.0, now);
            emitter.emit_at(t, Source::Journal, event);
        }
    }
}

/// An entry as it is told. `None` for one without a message.
pub fn event(entry: &Entry) -> Option<Event> {
    Some(Event::Journal {
        guest: Some(written(entry)),
        priority: entry.text("PRIORITY").and_then(|p| p.parse().ok()),
        // What PID 1 says about a unit, else what the unit says.
        unit: entry.text("UNIT").or_else(|| entry.text("_SYSTEMD_UNIT")),
        identifier: entry
            .text("SYSLOG_IDENTIFIER")
            .or_else(|| entry.text("_COMM")),
        text: entry.text("MESSAGE")?,
    })
}

/// The kernel's own time of a record, in microseconds.
pub fn source_monotonic(entry: &Entry) -> Option<u64> {
    entry.text("_SOURCE_MONOTONIC_TIMESTAMP")?.parse().ok()
}

/// When the entry was written, in seconds of the guest's clock: journald receives late what was said before it ran, or under load.
pub fn written(entry: &Entry) -> f64 {
    let received = entry.monotonic as f64 / 1e6;
    if let Some(at) = source_monotonic(entry) {
        return at as f64 / 1e6;
    }
    let source: Option<u64> = entry
        .text("_SOURCE_REALTIME_TIMESTAMP")
        .and_then(|t| t.parse().ok());
    let delay = source.and_then(|source| entry.realtime.checked_sub(source));
    match delay.map(|d| d as f64 / 1e6) {
        Some(delay) if delay <= received => received - delay,
        _ => received,
    }
}
