//! When to stop watching.
//!
//! A boot that will not succeed ends as soon as that is certain, or when the guest has gone quiet: neither vCPUs nor disk nor any channel
//! moves. How long quiet must last depends on what the guest may be waiting for:
//!
//! - firmware and loader: `--quiet-after`, plus the menu's own countdown;
//! - kernel and initrd: long enough for initramfs-tools to give up on the root device (`ROOTDELAY`, 30 s), since it says so only then;
//! - systemd: `--quiet-after` when the log shows no running job; else, or when no log can be seen, long enough for the job's
//!   timeout (`DefaultTimeoutStartSec=`, 90 s by default) to strike.

use super::channel::Idleness;
use super::jobs::Jobs;
use super::names::{DEFAULT_JOB_TIMEOUT, Names};
use super::outcome::Ended;
use super::stages::Stages;
use super::timeline::{Event, Observation};
use crate::stage::Stage;
use std::time::Duration;

/// initramfs-tools waits 30 s for the root device; this much more to say that it gave up.
const INITRD_WAIT: f64 = 36.0;
/// A timeout strikes a little late, and what follows takes time.
const SLACK: f64 = 5.0;
/// vCPUs that run this long without any trace of work are spinning: the longest silent stretch of a healthy boot under TCG,
/// unpacking a large initrd on a loaded host, took 14 s.
const SPINNING: f64 = 60.0;
/// Quiet after conclusive evidence: what explains it has come, or will not.
const QUIET_AFTER_CONCLUSION: f64 = 2.0;

/// Limits given by the user.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The whole boot.
    pub timeout: Duration,
    /// Quiet that ends a boot in which nothing is known to be pending.
    pub quiet_after: Duration,
    /// Longest time to watch a guest whose shell has answered.
    pub settle: Duration,
}

/// Evidence that a boot will not succeed.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// The evidence.
    pub evidence: String,
    /// Time on the clock until which more is worth waiting for.
    pub until: f64,
}

/// Decides.
#[derive(Debug)]
pub struct Ending {
    limits: Limits,
    jobs: Jobs,
    menu: f64,
    job_timeout: f64,
    conclusion: Option<Conclusion>,
    /// The shell answers: the interview decides when it is over.
    shell: bool,
}

impl Ending {
    /// For an image with these names.
    pub fn new(limits: Limits, names: &Names) -> Ending {
        Ending {
            limits,
            jobs: Jobs::default(),
            menu: names.menu_timeout.unwrap_or(0.0),
            job_timeout: names.job_timeout.unwrap_or(DEFAULT_JOB_TIMEOUT),
            conclusion: None,
            shell: false,
        }
    }

    /// Takes an observation.
    pub fn take(&mut self, seen: &Observation) {
        self.jobs.take(seen);
        self.shell |=
            matches!(seen.event, Event::StageReached { stage, .. } if stage == Stage::Shell);
    }

    /// What is conclusive by now; it may change as more is seen.
    pub fn conclude(&mut self, conclusion: Option<Conclusion>) {
        self.conclusion = conclusion;
    }

    /// What ends the run by the clock.
    pub fn due(&self, now: f64) -> Option<Ended> {
        if let Some(conclusion) = &self.conclusion
            && !self.shell
            && now >= conclusion.until
        {
            return Some(Ended::Conclusive {
                evidence: conclusion.evidence.clone(),
            });
        }
        let timeout = self.limits.timeout.as_secs_f64();
        (now >= timeout).then_some(Ended::Timeout { seconds: timeout })
    }

    /// Time until [`due`](Self::due) can change by the clock alone.
    pub fn wait(&self, now: f64) -> Duration {
        let mut next = self.limits.timeout.as_secs_f64();
        if let (Some(conclusion), false) = (&self.conclusion, self.shell) {
            next = next.min(conclusion.until);
        }
        Duration::from_secs_f64((next - now).clamp(0.001, 3600.0))
    }

    /// Whether the guest has been idle for long enough at its present stage.
    pub fn idle(&self, idle: Idleness, stages: &Stages) -> Option<Ended> {
        if self.shell {
            return None;
        }
        let quiet = idle.cpu.min(idle.io);
        if quiet >= self.patience(stages) {
            return Some(match &self.conclusion {
                Some(conclusion) => Ended::Conclusive {
                    evidence: conclusion.evidence.clone(),
                },
                None => Ended::Quiet { seconds: quiet },
            });
        }
        // A busy host keeps the vCPUs of a waiting guest from looking idle, so a wait that may end is waited for here, too.
        let spinning = idle.io >= SPINNING.max(self.patience(stages)) && idle.cpu < SPINNING / 4.0;
        spinning.then_some(Ended::Spinning { seconds: idle.io })
    }

    fn patience(&self, stages: &Stages) -> f64 {
        let base = self.limits.quiet_after.as_secs_f64();
        if self.conclusion.is_some() {
            return base.min(QUIET_AFTER_CONCLUSION);
        }
        match stages.furthest() {
            None | Some(Stage::Host | Stage::Firmware | Stage::Bootloader) => base + self.menu,
            _ if !stages.reached(Stage::Systemd) => base.max(INITRD_WAIT),
            _ if self.jobs.pending() || !self.jobs.heard() => base.max(self.job_timeout + SLACK),
            _ => base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::stages::machine::StageMachine;
    use crate::boot::timeline::Source;
    use crate::profile::Profile;

    fn line(text: &str) -> Observation {
        Observation {
            t: 1.0,
            source: Source::KernelLog,
            event: Event::KernelLog {
                guest: 1.0,
                level: 6,
                text: text.to_owned(),
            },
        }
    }

    fn patience(lines: &[&str]) -> f64 {
        let names = Names::from_profile(&Profile::default());
        let limits = Limits {
            timeout: Duration::from_secs(600),
            quiet_after: Duration::from_secs(8),
            settle: Duration::ZERO,
        };
        let mut ending = Ending::new(limits, &names);
        let mut stages = StageMachine::new(names);
        for text in lines {
            ending.take(&line(text));
            stages.take(&line(text));
        }
        ending.patience(stages.stages())
    }

    #[test]
    fn quiet_means_more_the_less_can_be_pending() {
        assert_eq!(patience(&[]), 8.0);
        assert_eq!(patience(&["Linux version 6.1"]), 36.0);
        let up = [
            "EXT4-fs (vda2): mounted filesystem",
            "systemd[1]: Hostname set to <isar>.",
        ];
        assert_eq!(patience(&up), 8.0);
        let waiting = [
            &up[..],
            &["systemd[1]: Expecting device dev-x.device - x..."],
        ]
        .concat();
        assert_eq!(patience(&waiting), 95.0);
    }
}
