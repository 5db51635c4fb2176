//! Saved logs → observations: a serial console's log, the output of the NixOS test driver, a journal.
//!
//! A saved log knows less than a traced boot: no disk reads, no virtio status, and of the console only what the guest printed there.

pub mod driver;
pub mod journal;
pub mod stamp;
pub mod syslog;

use super::observe::lines::{Line, Lines};
use super::stages::log_marks::without_prefix;
use super::timeline::{Event, Observation, Source};
use driver::Said;

/// Observations kept of one machine.
const OBSERVATIONS_CAP: usize = 300_000;
/// Machines of one driver log.
const MACHINES_CAP: usize = 64;
/// Longest line taken apart; longer ones are cut.
const LINE_CAP: usize = 16 << 10;

/// One machine of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its name; none in a log of one console.
    pub name: Option<String>,
    /// What was seen, in the order of the log.
    pub timeline: Vec<Observation>,
}

/// What kind of log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The console of one machine, as its serial port or `dmesg` gave it.
    Console,
    /// The NixOS test driver's output.
    Driver,
    /// journalctl's short form, or a syslog file.
    Syslog,
    /// journald's own files.
    Journal,
}

/// A log taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedLog {
    /// Kind.
    pub form: Form,
    /// Machines in order of their appearance; empty when the log has no line.
    pub machines: Vec<Machine>,
}

/// Takes a log apart.
pub fn parse(bytes: &[u8]) -> SavedLog {
    let mut splitter = Lines::default();
    let mut lines = Vec::new();
    splitter.push(bytes, &mut lines);
    lines.extend(splitter.quiet());
    let lines: Vec<(Option<f64>, Line)> = lines
        .into_iter()
        .filter(|line| !line.text.trim().is_empty())
        .map(stamped)
        .collect();
    let texts = || lines.iter().map(|(_, line)| line.text.as_str());
    let form = if driver::is_driver_log(texts()) {
        Form::Driver
    } else if syslog::is_syslog(texts()) {
        Form::Syslog
    } else {
        Form::Console
    };
    let mut log = SavedLog {
        form,
        machines: Vec::new(),
    };
    let mut clock = Clock::default();
    for (stamp, line) in lines {
        match form {
            Form::Console | Form::Journal => {
                let t = clock.tell(stamp.or_else(|| guest_time(&line.text)));
                log.add(None, t, Source::Serial, serial(line));
            }
            Form::Syslog => {
                let (own, source, event) = syslog::event(&line.text);
                let t = clock.tell(stamp.or(own));
                log.add(None, t, source, event);
            }
            Form::Driver => {
                let t = clock.tell(stamp);
                if let Some((machine, said)) = driver::line(&line.text) {
                    log.driver(machine, t, &line, said);
                }
            }
        }
    }
    log
}

/// Takes a time stamp of the program that saved the log off a line.
fn stamped(line: Line) -> (Option<f64>, Line) {
    let mut cut = line.text.len().min(LINE_CAP);
    while !line.text.is_char_boundary(cut) {
        cut -= 1;
    }
    let text = &line.text[..cut];
    let (stamp, rest) = stamp::split(driver::without_derivation(text));
    let line = Line {
        text: driver::without_derivation(rest).to_owned(),
        partial: line.partial,
    };
    (stamp, line)
}

fn serial(line: Line) -> Event {
    Event::SerialLine {
        port: 0,
        text: line.text,
        partial: line.partial,
    }
}

/// `[    1.234567] …`
fn guest_time(text: &str) -> Option<f64> {
    let (_, prefixed) = without_prefix(text);
    let inside = text.get(text.find('[')? + 1..text.find(']')?)?;
    inside.trim().parse().ok().filter(|_| prefixed)
}

/// Seconds since the first stamp; what has none is as old as what stands before it.
#[derive(Debug, Default)]
struct Clock {
    first: Option<f64>,
    last: f64,
}

impl Clock {
    fn tell(&mut self, stamp: Option<f64>) -> f64 {
        if let Some(stamp) = stamp {
            let first = *self.first.get_or_insert(stamp);
            // Stamps of several sources may step back a little.
            self.last = self.last.max(stamp - first);
        }
        self.last
    }
}

impl SavedLog {
    fn add(&mut self, name: Option<&str>, t: f64, source: Source, event: Event) {
        let known = self.machines.iter().position(|m| m.name.as_deref() == name);
        let index = match known {
            Some(index) => index,
            None if self.machines.len() < MACHINES_CAP => {
                self.machines.push(Machine {
                    name: name.map(str::to_owned),
                    timeline: Vec::new(),
                });
                self.machines.len() - 1
            }
            None => return,
        };
        let timeline = &mut self.machines[index].timeline;
        if timeline.len() < OBSERVATIONS_CAP {
            timeline.push(Observation { t, source, event });
        }
    }

    fn driver(&mut self, machine: &str, t: f64, line: &Line, said: Said<'_>) {
        let name = Some(machine);
        match said {
            Said::Serial(text) => {
                let line = Line {
                    text: text.to_owned(),
                    partial: line.partial,
                };
                if !text.trim().is_empty() {
                    self.add(name, t, Source::Serial, serial(line));
                }
            }
            Said::Event(source, event) => self.add(name, t, source, event),
        }
    }
}

#[cfg(test)]
mod tests;
