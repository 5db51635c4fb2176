//! Start jobs that began and did not end: what everything else waits for.

use super::words;
use crate::boot::jobs::{BEGIN, END};
use crate::boot::timeline::Observation;

/// A start job that was still running when the watching ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Unit name, or its description where systemd said no more.
    pub unit: String,
    /// Index in the timeline of the line that says so.
    pub index: usize,
}

const RUNNING: &str = "A start job is running for ";
/// Jobs kept; a boot has a few hundred.
const CAP: usize = 4096;

/// Jobs that were begun and not ended, in the order of their beginning.
pub fn pending(timeline: &[Observation]) -> Vec<Pending> {
    let mut pending: Vec<Pending> = Vec::new();
    for (index, observation) in timeline.iter().enumerate() {
        let Some(text) = words::systemd(observation) else {
            continue;
        };
        let begun = BEGIN
            .iter()
            .chain([&RUNNING])
            .find_map(|b| text.strip_prefix(b));
        if let Some(job) = begun {
            let (unit, _) = parts(job);
            let known = pending.iter().any(|p| p.unit == unit);
            if !known && pending.len() < CAP {
                pending.push(Pending {
                    unit: unit.to_owned(),
                    index,
                });
            }
        } else if let Some(job) = END.iter().find_map(|e| text.strip_prefix(e)) {
            let (unit, description) = parts(job);
            pending.retain(|p| p.unit != unit && p.unit != description);
        }
    }
    pending
}

/// `name.service - Description...` → name and description; both the same when only one is there.
fn parts(job: &str) -> (&str, &str) {
    // `A start job is running for X (4s / 1min 30s)`
    let job = job.split(" (").next().unwrap_or(job);
    let job = job.trim_end().trim_end_matches('.');
    job.split_once(" - ").unwrap_or((job, job))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::timeline::{Event, Source};

    #[test]
    fn what_has_not_ended_is_pending() {
        let lines = [
            "systemd[1]: Expecting device dev-hvc0.device - /dev/hvc0...",
            "systemd[1]: Expecting device dev-ttyS5.device - /dev/ttyS5...",
            "systemd[1]: Starting a.service - A...",
            "systemd[1]: Found device dev-hvc0.device - /dev/hvc0.",
            "systemd[1]: Finished a.service - A.",
        ];
        let timeline: Vec<_> = lines
            .iter()
            .map(|text| Observation {
                t: 0.0,
                source: Source::KernelLog,
                event: Event::KernelLog {
                    guest: 0.0,
                    level: 6,
                    text: (*text).into(),
                },
            })
            .collect();
        let found = pending(&timeline);
        assert_eq!(
            found,
            [Pending {
                unit: "dev-ttyS5.device".into(),
                index: 1
            }]
        );
    }
}
