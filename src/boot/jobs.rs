//! systemd jobs that are still running, as far as logs tell: a guest that waits 90 s for a device is quiet, but not done.

use super::timeline::{Event, Observation};
use std::collections::BTreeSet;

/// Jobs whose start was logged and whose end was not. Wordings of systemd's `job.c` and `device.c`.
#[derive(Debug, Default)]
pub struct Jobs {
    running: BTreeSet<String>,
    /// Messages of PID 1 were seen at all: without any, nothing can be said.
    heard: bool,
}

/// Begins the message of a job that began.
pub const BEGIN: &[&str] = &["Expecting device ", "Starting ", "Mounting "];
/// Begins the message of a job that ended.
pub const END: &[&str] = &[
    "Found device ",
    "Timed out waiting for device ",
    "Started ",
    "Finished ",
    "Failed to start ",
    "Mounted ",
    "Failed to mount ",
    "Dependency failed for ",
];
/// Jobs kept; a boot has a few hundred.
const CAP: usize = 4096;

impl Jobs {
    /// Takes an observation.
    pub fn take(&mut self, seen: &Observation) {
        match &seen.event {
            Event::KernelLog { text, .. } => {
                if let Some(text) = text.strip_prefix("systemd[1]: ") {
                    self.line(text);
                }
            }
            Event::Journal {
                text, identifier, ..
            } if matches!(identifier.as_deref(), Some("systemd") | None) => self.line(text),
            Event::SerialLine { text, .. } => {
                let (text, _) = super::stages::log_marks::without_prefix(text);
                if let Some(text) = text.strip_prefix("systemd[1]: ") {
                    self.line(text);
                } else if let Some(job) = text.split("A start job is running for ").nth(1) {
                    self.heard = true;
                    self.begin(job.split(" (").next().unwrap_or(job));
                } else if text.starts_with('[')
                    && let Some((_, text)) = text.split_once("] ")
                {
                    // `[  OK  ] Started …`, `[FAILED] Failed to start …`, `[ TIME ] Timed out waiting for …`
                    self.line(text);
                }
            }
            _ => {}
        }
    }

    fn line(&mut self, text: &str) {
        self.heard = true;
        if let Some(job) = BEGIN.iter().find_map(|b| text.strip_prefix(b)) {
            self.begin(job);
        } else if let Some(job) = END.iter().find_map(|e| text.strip_prefix(e)) {
            let (name, description) = parts(job);
            // `A start job is running` shows the description alone.
            self.running.remove(name);
            self.running.remove(description);
        }
    }

    fn begin(&mut self, job: &str) {
        if self.running.len() < CAP {
            self.running.insert(parts(job).0.to_owned());
        }
    }

    /// A job runs.
    pub fn pending(&self) -> bool {
        !self.running.is_empty()
    }

    /// Whether PID 1 has been heard.
    pub fn heard(&self) -> bool {
        self.heard
    }
}

/// `name.service - Description...` → name and description; both the same when only one is there.
fn parts(job: &str) -> (&str, &str) {
    let job = job.trim_end().trim_end_matches('.');
    match job.split_once(" - ") {
        Some((name, description)) => (name, description),
        None => (job, job),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::timeline::Source;

    fn jobs(lines: &[&str]) -> bool {
        let mut jobs = Jobs::default();
        for text in lines {
            jobs.take(&Observation {
                t: 0.0,
                source: Source::Serial,
                event: Event::SerialLine {
                    port: 0,
                    text: (*text).to_owned(),
                    partial: false,
                },
            });
        }
        jobs.pending()
    }

    #[test]
    fn a_device_job_runs_until_found_or_timed_out() {
        let expecting = "[    5.1] systemd[1]: Expecting device dev-ttyS5.device - /dev/ttyS5..."
            .replace("5.1]", "5.100000]");
        assert!(jobs(&[&expecting]));
        assert!(!jobs(&[
            &expecting,
            "[ TIME ] Timed out waiting for device dev-ttyS5.device - /dev/ttyS5."
        ]));
        assert!(jobs(&[
            "[ ** ] A start job is running for /dev/ttyS5 (4s / 1min 30s)"
        ]));
        assert!(!jobs(&[
            "[ ** ] A start job is running for /dev/ttyS5 (4s / 1min 30s)",
            "[ TIME ] Timed out waiting for device dev-ttyS5.device - /dev/ttyS5."
        ]));
    }
}
