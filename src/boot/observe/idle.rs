//! Host-side idleness: do the vCPU threads still work, and does anything else still move?
//!
//! An idle Linux guest sleeps: its vCPU threads take a few per cent of a CPU, under TCG as under KVM. Time spent waiting for a host CPU
//! counts as work, so that a guest starved by a busy host does not look quiet (`/proc/<pid>/task/<tid>/schedstat`,
//! Documentation/scheduler/sched-stats.rst: run time and run delay in nanoseconds).

use crate::boot::channel::{Emitter, Idleness, Message, Stop};
use crate::boot::qmp::Qmp;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SAMPLE: Duration = Duration::from_millis(500);
/// Share of one CPU below which all vCPUs together count as idle. An idle Debian guest under TCG takes 1–4 %, firmware that waits
/// for a key up to 12 %.
const BUSY: f64 = 0.20;

/// Samples until the run ends. To be run on a thread of its own.
pub fn observe(pid: u32, qmp: &Qmp, emitter: &Emitter, stop: &Stop) {
    let files = vcpu_files(pid, qmp);
    let mut last = (Instant::now(), cpu_time(&files));
    let mut busy_at = Instant::now();
    while !stop.wait(SAMPLE) {
        let now = Instant::now();
        let used = cpu_time(&files);
        let share = used.saturating_sub(last.1).as_secs_f64() / (now - last.0).as_secs_f64();
        last = (now, used);
        // Without the threads nothing can be told: then only input and output count.
        if share >= BUSY {
            busy_at = now;
        }
        emitter.send(Message::Idle(Idleness {
            cpu: (now - busy_at).as_secs_f64(),
            io: emitter.silent_for(),
        }));
    }
}

fn vcpu_files(pid: u32, qmp: &Qmp) -> Vec<PathBuf> {
    let Ok(cpus) = qmp.execute("query-cpus-fast", Value::Null) else {
        return Vec::new();
    };
    cpus.as_array()
        .into_iter()
        .flatten()
        .filter_map(|cpu| cpu["thread-id"].as_u64())
        .map(|thread| PathBuf::from(format!("/proc/{pid}/task/{thread}/schedstat")))
        .collect()
}

fn cpu_time(files: &[PathBuf]) -> Duration {
    files
        .iter()
        .filter_map(|file| parse_schedstat(&std::fs::read_to_string(file).ok()?))
        .sum()
}

/// Run time plus time on the run queue.
fn parse_schedstat(text: &str) -> Option<Duration> {
    let mut numbers = text.split_whitespace();
    let run: u64 = numbers.next()?.parse().ok()?;
    let delay: u64 = numbers.next()?.parse().ok()?;
    Some(Duration::from_nanos(run.saturating_add(delay)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_cpu_counts_as_work() {
        assert_eq!(
            parse_schedstat("1500000 500000 12\n"),
            Some(Duration::from_millis(2))
        );
        assert_eq!(parse_schedstat("x"), None);
    }
}
