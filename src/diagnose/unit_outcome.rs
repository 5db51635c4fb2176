//! What became of a unit, from the words of its systemd: kernel log, journal, console.

mod classify;

use super::words;
use crate::boot::timeline::{Event, Observation};
use classify::Rules;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Outcome of a unit's start job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// A condition was false when the job ran: skipped for good.
    Skipped {
        /// `ConditionPathExists=/dev/hvc0`; empty when systemd did not name it.
        condition: String,
    },
    /// An `Assert…=` was false: failed.
    AssertFailed {
        /// The assertion.
        assertion: String,
    },
    /// A required unit failed or timed out.
    DependencyFailed {
        /// The unit that failed first, when it was named.
        dependency: Option<String>,
    },
    /// Masked.
    Masked,
    /// systemd refuses the unit file.
    BadSetting {
        /// systemd's words.
        reason: String,
    },
    /// The unit file is not there.
    NotFound,
    /// The program could not be executed (`status=203/EXEC`).
    ExecFailed {
        /// `No such file or directory`, `Permission denied`, `Exec format error`; empty when not told.
        reason: String,
    },
    /// Its standard input or output could not be set up (208/STDIN, 209/STDOUT, 226/NAMESPACE, …).
    SetupFailed {
        /// `208/STDIN`.
        status: String,
    },
    /// It started and ended with an error.
    Failed {
        /// `1/FAILURE`, `127`, a signal.
        status: String,
        /// systemd gave up restarting it.
        start_limit: bool,
    },
    /// systemd ended it because its start was not complete in time (`TimeoutStartSec=`).
    StartTimedOut,
    /// Stopped by another unit's start (`Conflicts=`), or killed.
    Stopped {
        /// systemd's words.
        by: String,
    },
    /// Its start job was deleted to break an ordering cycle.
    DeletedFromCycle,
    /// Its job waits: for the unit named.
    Waiting {
        /// The job systemd said it was waiting for.
        on: String,
    },
    /// It was started and nothing bad was heard of it.
    Started,
    /// No log has a word about it.
    NeverMentioned,
}

/// The outcome with the line that says so.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitOutcome {
    /// What became of it.
    pub outcome: Outcome,
    /// Index in the timeline of the line that says so.
    pub index: Option<usize>,
    /// Guest time of that line in seconds, when the channel tells.
    pub guest: Option<f64>,
}

impl UnitOutcome {
    /// No log has a word about it.
    pub fn never_mentioned() -> UnitOutcome {
        UnitOutcome {
            outcome: Outcome::NeverMentioned,
            index: None,
            guest: None,
        }
    }
}

impl Outcome {
    /// A sentence about the unit.
    pub fn sentence(&self, unit: &str) -> String {
        let named = |what: &str, name: &str| {
            if name.is_empty() {
                what.to_owned()
            } else {
                format!("{what}: {name}")
            }
        };
        let rest = match self {
            Outcome::Skipped { condition } => {
                named("was skipped, a condition was not met", condition)
            }
            Outcome::AssertFailed { assertion } => named("failed its assertion", assertion),
            Outcome::DependencyFailed { dependency } => named(
                "was not started, a unit that it requires failed",
                dependency.as_deref().unwrap_or_default(),
            ),
            Outcome::Masked => "is masked".into(),
            Outcome::BadSetting { reason } => named("was refused by systemd", reason),
            Outcome::NotFound => "does not exist".into(),
            Outcome::ExecFailed { reason } => named("could not be executed (203/EXEC)", reason),
            Outcome::SetupFailed { status } => named("could not be set up", status),
            Outcome::Failed {
                status,
                start_limit,
            } => {
                let again = if *start_limit {
                    "failed again and again until systemd gave up"
                } else {
                    "failed"
                };
                named(again, status)
            }
            Outcome::StartTimedOut => "was ended, its start took too long".into(),
            Outcome::Stopped { by } => named("was stopped again", by),
            Outcome::DeletedFromCycle => "was dropped to break an ordering cycle".into(),
            Outcome::Waiting { on } => named("waits for another job", on),
            Outcome::Started => "was started".into(),
            Outcome::NeverMentioned => "is not mentioned in any log".into(),
        };
        format!("{unit} {rest}")
    }

    /// How much an outcome says, so that `Started` does not hide a later failure, nor a `start-limit` the status before it.
    fn rank(&self) -> u8 {
        match self {
            Outcome::NeverMentioned => 0,
            Outcome::Waiting { .. } => 1,
            Outcome::Started => 2,
            Outcome::Stopped { .. } => 3,
            Outcome::Failed { status, .. } if status.is_empty() => 3,
            Outcome::Failed { .. } => 4,
            Outcome::NotFound | Outcome::Masked | Outcome::BadSetting { .. } => 5,
            _ => 6,
        }
    }
}

/// Names under which logs speak of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnitNames {
    /// `nixos-test-backdoor.service`
    pub name: String,
    /// `Description=`; systemd uses it alone in older messages.
    pub description: Option<String>,
}

impl UnitNames {
    fn in_text(&self, text: &str) -> bool {
        contains_word(text, &self.name)
            || self
                .description
                .as_deref()
                .is_some_and(|d| d.len() > 5 && text.contains(d))
    }
}

fn contains_word(text: &str, word: &str) -> bool {
    let boundary =
        |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || "-_@\\".contains(c)));
    text.match_indices(word).any(|(at, _)| {
        boundary(text[..at].chars().next_back()) && boundary(text[at + word.len()..].chars().next())
    })
}

/// Finds the outcome of a unit. A later, more telling line replaces an earlier one: a unit that was
/// started and then failed has failed.
pub fn outcome(timeline: &[Observation], unit: &UnitNames) -> UnitOutcome {
    let mut best = UnitOutcome::never_mentioned();
    let Some(rules) = Rules::get() else {
        return best;
    };
    let mut failed_dependency: Option<String> = None;
    let mut exec_reason = String::new();
    let mut gave_up = false;
    for (index, observation) in timeline.iter().enumerate() {
        let Some(text) = words::log(observation) else {
            continue;
        };
        let failed = rules.device_that_timed_out(text).or_else(|| {
            // The failures that follow from a unit's own are logged right after it.
            rules
                .unit_that_failed(text)
                .filter(|name| *name != unit.name)
        });
        failed_dependency = failed.or(failed_dependency);
        let by_journal = matches!(&observation.event, Event::Journal { unit: Some(u), identifier, .. }
                if *u == unit.name && identifier.as_deref().is_none_or(|i| i == "systemd" || i.starts_with('(')));
        if !by_journal && !unit.in_text(text) {
            continue;
        }
        if let Some(reason) = rules.exec_reason(text) {
            exec_reason = reason;
        }
        let Some(found) = rules.classify(text, &exec_reason, failed_dependency.as_deref()) else {
            continue;
        };
        gave_up |= matches!(
            &found,
            Outcome::Failed {
                start_limit: true,
                ..
            }
        );
        let guest = words::guest_time(&observation.event);
        // The same words come by several channels; the one with the guest's time tells most.
        let same = found == best.outcome && best.guest.is_some();
        if found.rank() >= best.outcome.rank() && !same {
            best = UnitOutcome {
                outcome: found,
                index: Some(index),
                guest,
            };
        }
    }
    if let Outcome::Failed { start_limit, .. } = &mut best.outcome {
        *start_limit |= gave_up;
    }
    best
}

#[cfg(test)]
mod tests;
